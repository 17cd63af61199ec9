//! What the law has to reach, on the part of the table that takes seconds. Means over five seeds, so that chance has
//! less to say; the whole table is what the binary prints.

use macadam_simulator::{Change, Dip, Law, table};

fn mean(measure: impl Fn(u64) -> f64) -> f64 {
    (1..=5).map(measure).sum::<f64>() / 5.0
}

#[test]
fn goodput_at_two_three_and_ten_times_the_capacity_of_a_pool() {
    let stand = table::pool(16, 0.02);
    for (times, least) in [(2.0, 0.97), (3.0, 0.97), (10.0, 0.95)] {
        let goodput = mean(|seed| stand.overload(times, Law::Knee, seed).goodput);
        assert!((least..1.02).contains(&goodput), "{goodput} at {times}");
        let late = mean(|seed| stand.overload(times, Law::Knee, seed).late);
        assert!(late <= 0.05, "{late} at {times}");
    }
}

#[test]
fn goodput_where_the_throughput_varies_more() {
    let stand = table::exponential();
    for (times, least) in [(2.0, 0.97), (3.0, 0.97), (10.0, 0.95)] {
        let goodput = mean(|seed| stand.overload(times, Law::Knee, seed).goodput);
        assert!((least..1.02).contains(&goodput), "{goodput} at {times}");
    }
}

#[test]
fn goodput_where_service_times_grow_with_concurrency() {
    let stand = table::contended(16, 0.002);
    for (times, least) in [(2.0, 0.97), (3.0, 0.97), (10.0, 0.95)] {
        let goodput = mean(|seed| stand.overload(times, Law::Knee, seed).goodput);
        assert!((least..1.02).contains(&goodput), "{goodput} at {times}");
    }
}

#[test]
fn goodput_where_a_request_takes_a_fifth_of_a_second() {
    for stand in [table::pool(4, 0.2), table::pool(16, 0.2)] {
        for (times, least) in [(2.0, 0.97), (3.0, 0.97), (10.0, 0.95)] {
            let goodput = mean(|seed| stand.overload(times, Law::Knee, seed).goodput);
            assert!((least..1.02).contains(&goodput), "{goodput} at {times}");
            // How long it takes to settle differs more than what comes then.
            let cold = (1..=20).map(|seed| stand.cold(times, Law::Knee, seed).goodput).sum::<f64>() / 20.0;
            assert!((least..1.02).contains(&cold), "{cold} at {times}, from the fifth second on");
        }
    }
}

#[test]
fn nobody_waits_long_in_a_pool_where_a_request_takes_a_fifth_of_a_second() {
    for stand in [table::pool(16, 0.2), table::pool(64, 0.2)] {
        for times in [2.0, 3.0, 10.0] {
            let late = mean(|seed| stand.overload(times, Law::Knee, seed).late);
            assert!(late <= 0.05, "{late} at {times}");
        }
    }
}

#[test]
fn what_is_tried_costs_little_where_each_in_flight_is_in_everybodys_way() {
    let stand = table::contended(20, 0.01);
    for times in [1.5, 2.0, 3.0, 5.0, 10.0] {
        let goodput = mean(|seed| stand.overload(times, Law::Knee, seed).goodput);
        assert!((0.97..1.02).contains(&goodput), "{goodput} at {times}");
    }
}

#[test]
fn goodput_where_few_requests_get_in_the_way_of_each_other() {
    let stand = table::contended(4, 0.02);
    for (times, least) in [(2.0, 0.97), (3.0, 0.97), (10.0, 0.95)] {
        let goodput = mean(|seed| stand.overload(times, Law::Knee, seed).goodput);
        assert!((least..1.02).contains(&goodput), "{goodput} at {times}");
    }
}

#[test]
fn hardly_anybody_is_refused_where_a_burst_makes_everybody_slow() {
    let stand = table::contended(16, 0.02);
    for (times, most) in [(0.8, 0.01), (0.9, 0.015)] {
        let sheds = mean(|seed| stand.false_sheds(times, Law::Knee, seed));
        assert!(sheds <= most, "{sheds} at {times}");
    }
}

#[test]
fn nobody_is_refused_below_the_capacity() {
    let (stand, mixed) = (table::pool(16, 0.02), table::mixed());
    for seed in 1..=5 {
        assert!(stand.false_sheds(0.8, Law::Knee, seed) <= 0.001);
        assert!(stand.false_sheds(0.9, Law::Knee, seed) <= 0.001);
        assert!(mixed.false_sheds(0.7, Law::Knee, seed) <= 0.001);
    }
}

#[test]
fn a_capacity_that_falls_to_a_third_and_returns_is_used() {
    let stand = table::pool(16, 0.02);
    let slots = ((Change::Slots(5), Change::Slots(16)), 5.0 / 16.0);
    let work = ((Change::Slowness(3.0), Change::Slowness(1.0)), 1.0 / 3.0);
    for (changes, share) in [slots, work] {
        let dips: Vec<Dip> = (1..=5).map(|seed| stand.dip(3.0, changes, share, Law::Knee, seed)).collect();
        assert!(mean(|seed| dips[seed as usize - 1].goodput) >= 0.95, "{dips:?}");
        assert!(dips.iter().all(|dip| dip.back <= 1.0), "{dips:?}");
    }
}

#[test]
fn an_overload_leaves_nothing_behind() {
    let stand = table::pool(16, 0.02);
    assert!(mean(|seed| stand.aftermath(Law::Knee, seed)) >= 0.99);
}

#[test]
fn a_step_to_three_times_the_capacity_is_settled_within_half_a_second() {
    let stand = table::pool(16, 0.02);
    let settled = mean(|seed| stand.surge(Law::Knee, seed));
    assert!(settled <= 0.5, "{settled}");
}
