//! What the law does not reach yet. A test that no longer panics is a gap that was closed: it loses its `should_panic`,
//! and moves to its like.
//!
//! Two of the three have one cause: where more requests end badly than well, the law takes it for a collapse, in which
//! a lower limit helps. Those that are given up or refused within a moment are many, and hold hardly any slots.
//!
//! The third is a trade. Before a pool with a queue of its own some of those who go away do so before they cost
//! anything, so that four times as many in flight bring an eighth more. The law stops where so many more bring so
//! little.

use macadam_simulator::{Law, table};

fn mean(measure: impl Fn(u64) -> f64) -> f64 {
    (1..=5).map(measure).sum::<f64>() / 5.0
}

#[test]
#[should_panic(expected = "are refused")]
fn nobody_is_refused_below_the_capacity_where_most_clients_go_away_at_once() {
    let stand = table::leaving(0.6, 0.2);
    assert!(stand.false_sheds(0.7, stand.oracle(), 1) <= 0.001, "it can be done");
    let refused = mean(|seed| stand.false_sheds(0.7, Law::Knee, seed));
    assert!(refused <= 0.001, "{refused} are refused");
}

#[test]
#[should_panic(expected = "of the oracle's")]
fn goodput_where_half_of_the_clients_go_away() {
    let stand = table::leaving(0.5, 2.0);
    let goodput = mean(|seed| stand.compared(3.0, Law::Knee, seed));
    assert!(goodput >= 0.97, "{goodput} of the oracle's");
}

#[test]
#[should_panic(expected = "of the rate")]
fn goodput_of_a_downstream_that_refuses_two_of_three_by_its_rate() {
    let stand = table::rate_limited(0);
    assert!(stand.overload(3.0, stand.oracle(), 1).goodput >= 0.97, "it can be done");
    let goodput = mean(|seed| stand.overload(3.0, Law::Knee, seed).goodput);
    assert!(goodput >= 0.9, "{goodput} of the rate");
}
