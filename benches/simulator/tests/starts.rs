//! Wherever it starts, the limit ends at the knee.

use macadam_simulator::{Backend, Clients, Law, Phase, Plant, Script, Work, table};

#[test]
fn from_every_start_the_capacity_is_reached_within_five_seconds() {
    let stand = table::pool(16, 0.02);
    for start in [1, 2, 5, 20, 64, 1024] {
        let run = stand.overload(3.0, Law::KneeFrom(start), 7);
        assert!(run.goodput >= 0.95 && run.late <= 0.1, "from {start}: {run:?}");
    }
}

#[test]
fn sixty_clients_of_a_slow_handler_without_a_limit_are_not_refused_at_boot() {
    let backend = Backend::Shared { processors: 1000 };
    let plant = Plant { backend, work: Work::lognormal(1.0), clients: Clients::patient_for(30.0) };
    let script = Script { phases: vec![Phase::poisson(10.0, 0.0)], residents: 60, ..Script::default() };
    for seed in 1..=5 {
        let sum = plant.run(&script, Law::Knee.tuner(), seed).sum(0.0, 10.0);
        assert!(sum.shed < 1.0 && sum.good > 400.0, "{sum:?}");
    }
}

#[test]
fn two_thousand_a_second_of_50_ms_are_not_refused_by_a_successor_that_takes_over() {
    let backend = Backend::Shared { processors: 1000 };
    let work = Work::Lognormal { mean: 0.05, sigma: 0.02 };
    let plant = Plant { backend, work, clients: Clients::patient_for(30.0) };
    let script = Script { phases: vec![Phase::poisson(3.0, 2000.0)], ..Script::default() };
    for seed in 1..=20 {
        let sum = plant.run(&script, Law::Knee.tuner(), seed).sum(0.0, 3.0);
        assert!(sum.shed < 1.0 && sum.good > 5500.0, "{sum:?}");
    }
}

/// Sixty-four, which is where the gate begins, are half of what this takes.
#[test]
fn a_hundred_and_twenty_a_second_of_a_second_have_room_within_a_few_seconds() {
    let backend = Backend::Shared { processors: 1000 };
    let plant = Plant { backend, work: Work::lognormal(1.0), clients: Clients::patient_for(30.0) };
    let script = Script { phases: vec![Phase::poisson(20.0, 120.0)], ..Script::default() };
    for seed in 1..=5 {
        let record = plant.run(&script, Law::Knee.tuner(), seed);
        let (begin, rest) = (record.sum(0.0, 6.0), record.sum(6.0, 20.0));
        assert!(begin.shed <= 0.25 * begin.offered, "{begin:?}");
        assert!(rest.shed <= 0.03 * rest.offered, "{begin:?}, and then {rest:?}");
    }
}
