//! What is harder than load alone: clients who burst, try again or go away, and downstreams that are no pool.

use super::{Row, Unit, pool, stand};
use crate::{
    backend::Backend, capacity::Capacity, clients::Clients, law::Law, plant::Plant, trial::Stand, work::Work,
};

/// A pool of 16 whose clients try three times more, a tenth of a second after each failure.
#[must_use]
pub fn retrying() -> Stand {
    let stand = pool(16, 0.02);
    stand.with_clients(Clients { retries: 3, backoff: 0.1, ..stand.plant.clients })
}

/// A pool of 16 of whose clients a share goes away before `haste` mean works have passed.
#[must_use]
pub fn leaving(cancels: f64, haste: f64) -> Stand {
    let stand = pool(16, 0.02);
    stand.with_clients(Clients { cancels, haste, ..stand.plant.clients })
}

/// So many processors, which all who run share.
#[must_use]
pub fn shared(processors: u32, mean: f64) -> Stand {
    stand(Backend::Shared { processors }, Work::lognormal(mean), processors.max(4))
}

/// A downstream that serves 800 a second, in 20 ms each, and refuses the others within a millisecond; of its clients
/// each tries `retries` times more, after a tenth of a second.
///
/// What it can do is its rate. To serve as many, 16 have to be in flight.
#[must_use]
pub fn rate_limited(retries: u32) -> Stand {
    let clients = Clients { retries, backoff: 0.1, ..Clients::patient_for(0.5) };
    let backend = Backend::RateLimited { rate: 800.0, burst: 20.0 };
    let plant = Plant { backend, work: Work::lognormal(0.02), clients };
    Stand { plant, capacity: Capacity { goodput: 800.0, at: 16, p99: plant.work.mean() } }
}

/// A downstream that is asked 800 times a second, and takes 20 ms for each, however many there are.
#[must_use]
pub fn wide() -> Stand {
    let plant = Plant {
        backend: Backend::Pool { slots: u32::MAX },
        work: Work::lognormal(0.02),
        clients: Clients::patient_for(2.0),
    };
    Stand { plant, capacity: Capacity { goodput: 800.0, at: 16, p99: plant.work.mean() } }
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    let mut row = |name: &str, must: &str, unit, measure: Box<dyn Fn(Law, u64) -> f64>| {
        rows.push(Row { name: name.into(), must: must.into(), measure, unit });
    };
    let plain = pool(16, 0.02);
    for times in [0.7, 2.0] {
        row(
            &format!("bursts of 5× at {times}×: goodput of the best fixed limit's"),
            "≥ 97 %",
            Unit::Share,
            Box::new(move |law, seed| plain.bursts(times, 5.0, law, seed)),
        );
    }
    let retrying = retrying();
    let relapse = move |law, seed| retrying.relapse(law, seed);
    let title = "3 retries each, 4 s of 3×, then 0.8×";
    row(
        &format!("{title}: goodput in the overload"),
        "≥ 95 %",
        Unit::Share,
        Box::new(move |law, seed| relapse(law, seed).goodput),
    );
    row(
        &format!("{title}: until 1 % fails"),
        "≤ 2000 ms",
        Unit::Millis,
        Box::new(move |law, seed| relapse(law, seed).back),
    );
    row(
        &format!("{title}: served from 2 s on"),
        "≥ 99 %",
        Unit::Share,
        Box::new(move |law, seed| relapse(law, seed).after),
    );
    for (name, cancels, haste) in
        [("half go away within twice the mean work", 0.5, 2.0), ("six of ten within a fifth", 0.6, 0.2)]
    {
        let leaving = leaving(cancels, haste);
        row(
            &format!("{name}, 3×: goodput of the best fixed limit's"),
            "≥ 97 %",
            Unit::Share,
            Box::new(move |law, seed| leaving.compared(3.0, law, seed)),
        );
        row(
            &format!("{name}, 0.7×: false sheds"),
            "≤ 0.1 %",
            Unit::Loss,
            Box::new(move |law, seed| leaving.false_sheds(0.7, law, seed)),
        );
    }
    for (processors, mean) in [(2, 0.002), (16, 0.02), (16, 0.2)] {
        let shared = shared(processors, mean);
        for (times, must) in [(2.0, "≥ 97 %"), (3.0, "≥ 97 %"), (10.0, "≥ 95 %")] {
            let name = format!("shared processors {processors} × {} ms at {times}×", mean * 1e3);
            row(
                &format!("{name}: goodput"),
                must,
                Unit::Share,
                Box::new(move |law, seed| shared.overload(times, law, seed).goodput),
            );
            row(
                &format!("{name}: p99 over that of the best"),
                "≤ 50 ms",
                Unit::Millis,
                Box::new(move |law, seed| shared.overload(times, law, seed).late),
            );
        }
    }
    for (name, retries, times) in [
        ("downstream of 800/s at 1.5×", 0, 1.5),
        ("downstream of 800/s at 3×", 0, 3.0),
        ("downstream of 800/s at 1.5×, 3 retries each", 3, 1.5),
    ] {
        let limited = rate_limited(retries);
        row(
            &format!("{name}: goodput"),
            "≥ 90 %",
            Unit::Share,
            Box::new(move |law, seed| limited.overload(times, law, seed).goodput),
        );
    }
    let wide = wide();
    row(
        "downstream with room for all, 20 to 200 ms: served of 20 s",
        "≥ 90 %",
        Unit::Share,
        Box::new(move |law, seed| wide.slowdown(10.0, law, seed).served),
    );
    row(
        "downstream with room for all, 20 to 200 ms: until 95 % are",
        "≤ 3000 ms",
        Unit::Millis,
        Box::new(move |law, seed| wide.slowdown(10.0, law, seed).back),
    );
    rows
}
