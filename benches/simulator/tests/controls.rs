//! The trials can fail: a limit that does not move fails at least one of them, whatever it is.

use macadam_simulator::{Change, Law, Stand, table};

/// The first trial that a law fails, by its mean over five seeds. Each has another best limit, or moves it.
fn failure(law: Law, [contended, pool, large]: &[Stand; 3]) -> Option<String> {
    let mean = |measure: &dyn Fn(u64) -> f64| (1..=5).map(measure).sum::<f64>() / 5.0;
    for (name, stand) in [("contended", contended), ("pool", pool), ("large pool", large)] {
        let goodput = mean(&|seed| stand.overload(3.0, law, seed).goodput);
        let late = mean(&|seed| stand.overload(3.0, law, seed).late);
        if goodput < 0.97 || late > 0.05 {
            return Some(format!("{name}: {goodput} of the capacity, {late} s late"));
        }
    }
    let slots = (Change::Slots(5), Change::Slots(16));
    let goodput = mean(&|seed| pool.dip(3.0, slots, 5.0 / 16.0, law, seed).goodput);
    (goodput < 0.95).then(|| format!("a dip: {goodput} of what was possible"))
}

#[test]
fn every_frozen_limit_fails_and_the_law_does_not() {
    let stands = [table::contended(16, 0.02), table::pool(16, 0.02), table::pool(64, 0.02)];
    assert_eq!(failure(Law::Knee, &stands), None);
    for limit in [1, 2, 5, 10, 16, 20, 50, 100, 200, 1024] {
        assert!(failure(Law::Fixed(limit), &stands).is_some(), "a limit of {limit} passed");
    }
}
