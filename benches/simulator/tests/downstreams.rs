//! Downstreams that are no pool. Means over five seeds.

use macadam_simulator::{Law, Slowdown, table};

fn mean(measure: impl Fn(u64) -> f64) -> f64 {
    (1..=5).map(measure).sum::<f64>() / 5.0
}

#[test]
fn goodput_where_all_share_the_processors() {
    for stand in [table::shared(2, 0.002), table::shared(16, 0.02)] {
        for (times, least) in [(2.0, 0.97), (3.0, 0.97), (10.0, 0.95)] {
            let goodput = mean(|seed| stand.overload(times, Law::Knee, seed).goodput);
            assert!((least..1.02).contains(&goodput), "{goodput} at {times}");
            // Who shares a processor takes longer at once, with nobody's wait to be seen.
            // In single runs it is up to a fifth of a second, so that five say little.
            let late = (1..=30).map(|seed| stand.overload(times, Law::Knee, seed).late).sum::<f64>() / 30.0;
            assert!(late <= if times < 10.0 { 0.05 } else { 0.1 }, "{late} at {times}");
        }
        for law in [Law::Open, Law::Fixed(512)] {
            let control = stand.overload(3.0, law, 1).goodput;
            assert!(control < 0.9, "{law} has {control}");
        }
    }
}

#[test]
fn a_downstream_that_takes_longer_and_has_room_gets_more_at_a_time() {
    let stand = table::wide();
    let runs: Vec<Slowdown> = (1..=5).map(|seed| stand.slowdown(10.0, Law::Knee, seed)).collect();
    assert!(mean(|seed| runs[seed as usize - 1].served) >= 0.9, "{runs:?}");
    assert!(mean(|seed| runs[seed as usize - 1].back) <= 3.0, "{runs:?}");
    for law in [Law::Fixed(64), Law::Vegas, Law::Gradient2] {
        let control = stand.slowdown(10.0, law, 1);
        assert!(control.served < 0.6 && control.back.is_infinite(), "{law}: {control:?}");
    }
}

#[test]
fn what_a_rate_limited_downstream_can_serve_is_asked_of_it() {
    let stand = table::rate_limited(0);
    for (times, least) in [(0.8, 0.78), (1.5, 0.9), (3.0, 0.9)] {
        let goodput = mean(|seed| stand.overload(times, Law::Knee, seed).goodput);
        assert!(goodput >= least, "{goodput} at {times}");
    }
    let control = stand.overload(1.5, Law::Fixed(8), 1).goodput;
    assert!(control < 0.6, "half of the limit that it takes has {control}");
}
