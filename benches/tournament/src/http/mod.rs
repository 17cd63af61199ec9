//! Handlers that burn CPU, over HTTP: a process with one worker, whose queue nobody's limit sees.

mod client;
mod process;
mod server;

use std::time::Duration;

pub use self::server::serve;
use self::{client::Load, process::Server};
use crate::{
    account::Account,
    arm::Arm,
    scenario::{Figure, GOODPUT, Must, P99},
    schedule::{Schedule, Stretch},
    tournament::{Outcome, Plan},
};

/// Its row in the tables.
pub const NAME: &str = "2 ms of CPU over HTTP";

/// Asks each arm's process for more than one worker can do, and for less. One limit that is a number is enough: in one
/// worker no more than one request is in flight, whatever the number.
pub fn run(
    plan: &Plan,
    outcome: &mut Outcome,
    progress: &mut impl FnMut(&str),
    trace: &mut impl FnMut(&str, Arm, &Account),
) {
    let capacity = {
        let server = Server::start(Arm::Nothing);
        client::closed_loop(server.address, CLIENTS, Duration::from_secs_f64(plan.asked))
    };
    progress(&format!("{NAME}: {capacity:.0}/s in a closed loop of {CLIENTS}"));
    outcome.cpu = Some(capacity);
    let tuned = outcome.plants.values().next().map_or(16, |(_, tuned)| *tuned);
    for seed in 1..=plan.seeds {
        for load in [0.8, 3.0] {
            let name = format!("{NAME}, {load}×");
            let length = SETTLE + plan.lengths.measured;
            let schedule = Schedule::poisson(seed, &[Stretch::new(length, load * capacity)]);
            let span = Duration::from_secs_f64(SETTLE)..Duration::from_secs_f64(length);
            progress(&format!("{name}, seed {seed}"));
            for arm in plan.arms(tuned).into_iter().filter(|arm| !matches!(arm, Arm::Guessed(_))) {
                let account = offer(arm, &schedule, outcome);
                trace(&name, arm, &account);
                let p99 = account.latency(&span, 0.99).map_or(f64::INFINITY, |p99| p99.as_secs_f64() * 1e3);
                let shed = 100.0 * account.shed_share(&span);
                let goodput = 100.0 * account.goodput(&span) / capacity;
                let overload = load > 1.0;
                let when = |wanted: bool, must: Must| if wanted { must } else { Must::Nothing };
                let figures = [
                    Figure { what: SHED, value: shed, must: when(!overload, Must::AtMost(1.0)) },
                    Figure { what: GOODPUT, value: goodput, must: when(overload, Must::AtLeast(90.0)) },
                    Figure { what: P99, value: p99, must: when(overload, Must::AtMost(50.0)) },
                ];
                for figure in figures {
                    outcome.note(&name, None, arm, figure);
                }
            }
        }
    }
}

/// A process for each run: what the one before it left in its sockets is nobody else's load.
fn offer(arm: Arm, schedule: &Schedule, outcome: &mut Outcome) -> Account {
    let mut attempt = 0;
    loop {
        attempt += 1;
        let server = Server::start(arm);
        let Load { account, lag } = client::offer(server.address, schedule);
        if lag <= crate::race::MAX_LAG {
            return account;
        }
        outcome.void += 1;
        if attempt == ATTEMPTS {
            outcome.late.push(format!("{NAME}, {arm}"));
            return account;
        }
    }
}

const SHED: &str = "shed, %";
/// In seconds.
const SETTLE: f64 = 2.0;
const CLIENTS: usize = 8;
const ATTEMPTS: u32 = 3;
