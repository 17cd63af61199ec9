//! The same over HTTP, with the whole road: a process with one worker, and handlers that wait or burn CPU.

mod client;
mod handler;
mod process;
mod server;

use std::time::Duration;

pub use self::server::serve;
use self::{client::Load, handler::Handler, process::Server};
use crate::{
    account::Account,
    arm::Arm,
    scenario::{Figure, GOODPUT, P99},
    schedule::{Schedule, Stretch},
    tournament::{Outcome, Plan},
};

/// Asks each arm's process for more than it can do, and for less. One guessed limit that is a number is enough.
pub fn run(
    plan: &Plan,
    outcome: &mut Outcome,
    progress: &mut impl FnMut(&str),
    trace: &mut impl FnMut(&str, Arm, &Account),
) {
    let tuned = outcome.plants.values().next().map_or(16, |(_, tuned)| *tuned);
    for handler in Handler::ALL.into_iter().filter(|handler| plan.wants(handler.name())) {
        let (name, clients) = (handler.name(), handler.clients());
        let capacity = {
            let server = Server::start(Arm::Nothing);
            client::closed_loop(server.address, handler, Duration::from_secs_f64(plan.asked))
        };
        progress(&format!("{name}: {capacity:.0}/s in a closed loop of {clients}"));
        outcome.over_http.push((name, capacity, clients));
        for (seed, &load) in
            (1..=plan.seeds).flat_map(|seed| handler.loads().iter().map(move |load| (seed, load)))
        {
            let name = format!("{name}, {load}×");
            progress(&format!("{name}, seed {seed}"));
            let length = SETTLE + plan.lengths.measured;
            let schedule = Schedule::poisson(seed, &[Stretch::new(length, load * capacity)]);
            let span = Duration::from_secs_f64(SETTLE)..Duration::from_secs_f64(length);
            for arm in plan.arms(tuned).into_iter().filter(|arm| !matches!(arm, Arm::Guessed(_))) {
                let account = offer(arm, handler, &schedule, outcome);
                trace(&name, arm, &account);
                let p99 = account.latency(&span, 0.99).map_or(f64::INFINITY, |p99| p99.as_secs_f64() * 1e3);
                let shed = 100.0 * account.shed_share(&span);
                let goodput = 100.0 * account.goodput(&span) / capacity;
                for figure in [
                    Figure { what: SHED, value: shed, must: handler.most_shed(load) },
                    Figure { what: GOODPUT, value: goodput, must: handler.least_goodput(load) },
                    Figure { what: P99, value: p99, must: handler.latest(load) },
                ] {
                    outcome.note(&name, None, arm, figure);
                }
            }
        }
    }
}

/// A process for each run: what the one before it left in its sockets is nobody else's load.
fn offer(arm: Arm, handler: Handler, schedule: &Schedule, outcome: &mut Outcome) -> Account {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let server = Server::start(arm);
        let Load { account, lag } = client::offer(server.address, handler, schedule);
        if lag <= crate::race::MAX_LAG {
            return account;
        }
        outcome.void += 1;
        if attempt == ATTEMPTS {
            outcome.late.push(format!("{}, {arm}", handler.name()));
            return account;
        }
    }
}

const SHED: &str = "shed, %";
/// In seconds.
const SETTLE: f64 = 2.0;
const ATTEMPTS: u32 = 3;
