//! What is harder than load alone: clients who burst, try again or go away, and downstreams that are no pool.

use super::{Rows, Unit, add_overload, pool, stand};
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

pub(super) fn add(rows: &mut Rows) {
    of_clients(rows);
    of_downstreams(rows);
}

fn of_clients(rows: &mut Rows) {
    let plain = pool(16, 0.02);
    for times in [0.7, 2.0] {
        rows.add(
            &format!("bursts of 5× at {times}×: goodput of the best fixed limit's"),
            "≥ 97 %",
            Unit::Share,
            move |law, seed| plain.bursts(times, 5.0, law, seed),
        );
    }
    let retrying = retrying();
    let relapse = move |law, seed| retrying.relapse(law, seed);
    let title = "3 retries each, 4 s of 3×, then 0.8×";
    rows.add(&format!("{title}: goodput in the overload"), "≥ 95 %", Unit::Share, move |law, seed| {
        relapse(law, seed).goodput
    });
    rows.add(&format!("{title}: until 1 % fails"), "≤ 2000 ms", Unit::Millis, move |law, seed| {
        relapse(law, seed).back
    });
    rows.add(&format!("{title}: served from 2 s on"), "≥ 99 %", Unit::Share, move |law, seed| {
        relapse(law, seed).after
    });
    for (name, cancels, haste) in
        [("half go away within twice the mean work", 0.5, 2.0), ("six of ten within a fifth", 0.6, 0.2)]
    {
        let leaving = leaving(cancels, haste);
        rows.add(
            &format!("{name}, 3×: goodput of the best fixed limit's"),
            "≥ 97 %",
            Unit::Share,
            move |law, seed| leaving.compared(3.0, law, seed),
        );
        rows.add(&format!("{name}, 0.7×: false sheds"), "≤ 0.1 %", Unit::Loss, move |law, seed| {
            leaving.false_sheds(0.7, law, seed)
        });
    }
}

fn of_downstreams(rows: &mut Rows) {
    for (processors, mean) in [(2, 0.002), (16, 0.02), (16, 0.2)] {
        let shared = shared(processors, mean);
        for (times, must) in [(2.0, "≥ 97 %"), (3.0, "≥ 97 %"), (10.0, "≥ 95 %")] {
            let name = format!("shared processors {processors} × {} ms at {times}×", mean * 1e3);
            let run = move |law, seed| shared.overload(times, law, seed);
            add_overload(rows, &name, must, "that of the best", Law::Fixed(processors), run);
        }
    }
    for (name, retries, times) in [
        ("downstream of 800/s at 1.5×", 0, 1.5),
        ("downstream of 800/s at 3×", 0, 3.0),
        ("downstream of 800/s at 1.5×, 3 retries each", 3, 1.5),
    ] {
        let limited = rate_limited(retries);
        rows.add(&format!("{name}: goodput"), "≥ 90 %", Unit::Share, move |law, seed| {
            limited.overload(times, law, seed).goodput
        });
    }
    let wide = wide();
    rows.add(
        "downstream with room for all, 20 to 200 ms: served of 20 s",
        "≥ 90 %",
        Unit::Share,
        move |law, seed| wide.slowdown(10.0, law, seed).served,
    );
    rows.add(
        "downstream with room for all, 20 to 200 ms: until 95 % are",
        "≤ 3000 ms",
        Unit::Millis,
        move |law, seed| wide.slowdown(10.0, law, seed).back,
    );
}
