//! Clients who come in bursts, try again or go away. Means over five seeds.

use macadam_simulator::{Law, Relapse, table};

fn mean(measure: impl Fn(u64) -> f64) -> f64 {
    (1..=5).map(measure).sum::<f64>() / 5.0
}

#[test]
fn bursts_are_served_as_by_who_knows_the_capacity() {
    let stand = table::pool(16, 0.02);
    for times in [0.7, 2.0] {
        let ours = mean(|seed| stand.bursts(times, 5.0, Law::Knee, seed));
        assert!(ours >= 0.97, "{ours} of the oracle's goodput at {times}");
        let half = Law::Fixed(stand.capacity.at / 2);
        let control = mean(|seed| stand.bursts(times, 5.0, half, seed));
        assert!(control < 0.8, "half of the limit that it takes has {control} at {times}");
    }
    let open = mean(|seed| stand.bursts(2.0, 5.0, Law::Open, seed));
    assert!(open < 0.8, "without a gate it is {open}");
}

/// The overload is over, its cause too, and nothing goes on.
#[test]
fn retries_do_not_keep_up_an_overload_that_is_over() {
    let stand = table::retrying();
    let runs: Vec<Relapse> = (1..=5).map(|seed| stand.relapse(Law::Knee, seed)).collect();
    let mean = |figure: fn(&Relapse) -> f64| runs.iter().map(figure).sum::<f64>() / 5.0;
    assert!(mean(|run| run.goodput) >= 0.95, "{runs:?}");
    assert!(mean(|run| run.back) <= 2.0, "{runs:?}");
    assert!(mean(|run| run.after) >= 0.99, "{runs:?}");
}

/// The negative control: it is a metastable failure where nobody stands in its way.
#[test]
fn retries_keep_up_an_overload_without_a_gate_and_before_a_limit_that_stays_high() {
    let stand = table::retrying();
    for law in [Law::Open, Law::Fixed(1024)] {
        for seed in 1..=3 {
            let run = stand.relapse(law, seed);
            assert!(run.back.is_infinite() && run.after < 0.6, "{law}: {run:?}");
        }
    }
}

#[test]
fn half_of_the_clients_may_go_away_and_nobody_is_refused_below_the_capacity() {
    let stand = table::leaving(0.5, 2.0);
    for seed in 1..=5 {
        assert!(stand.false_sheds(0.7, Law::Knee, seed) <= 0.001);
    }
    let control = stand.false_sheds(0.7, Law::Fixed(4), 1);
    assert!(control > 0.1, "a quarter of the limit that it takes refuses {control}");
}

#[test]
fn clients_who_go_away_at_once_are_no_reason_to_refuse_those_who_stay() {
    let stand = table::leaving(0.6, 0.2);
    let refused = mean(|seed| stand.false_sheds(0.7, Law::Knee, seed));
    assert!(refused <= 0.001, "{refused} are refused");
}

#[test]
fn goodput_where_half_of_the_clients_go_away() {
    let stand = table::leaving(0.5, 2.0);
    // Single runs are down to nine tenths, so that five say little.
    let goodput = (1..=30).map(|seed| stand.compared(3.0, Law::Knee, seed)).sum::<f64>() / 30.0;
    assert!(goodput >= 0.97, "{goodput} of the oracle's");
}
