//! How much a plant can do, found in a closed loop.

use crate::{
    arrivals::Phase,
    backend::Backend,
    plant::{Plant, Script},
};

/// What a plant can do at best.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Capacity {
    /// Responses of use, in one second.
    pub goodput: f64,
    /// With how many in flight: the fewest that come within two percent of it, which is more than chance makes.
    pub at: u32,
    /// The 99th percentile of the time that a request takes, in seconds: alone; but where requests slow each other down,
    /// with as many in flight as [`at`](Self::at), since no gate can better that without loss.
    pub p99: f64,
}

impl Plant {
    /// Measures it, with up to `most` clients of which each sends its next request when it has the last answer.
    #[must_use]
    pub fn capacity(&self, most: u32, seed: u64) -> Capacity {
        let seconds = SAMPLES * self.work.mean();
        let measure = |clients: u32| {
            let seconds = (seconds / f64::from(clients)).clamp(10.0, 4000.0).ceil();
            let script = Script {
                phases: vec![Phase::poisson(seconds, 0.0)],
                residents: clients,
                ..Script::default()
            };
            let record = self.run(&script, None, seed);
            (record.sum(2.0, seconds).goodput(), record.latency(0.99, 2.0, seconds))
        };
        let runs: Vec<_> = candidates(most).map(|clients| (clients, measure(clients))).collect();
        let goodput = runs.iter().map(|run| run.1.0).fold(0.0, f64::max);
        let &(at, (_, loaded)) = runs.iter().find(|run| run.1.0 >= 0.98 * goodput).unwrap_or(&runs[0]);
        let p99 = if matches!(self.backend, Backend::Pool { .. }) { measure(1).1 } else { loaded };
        Capacity { goodput, at, p99 }
    }
}

/// Every number of clients up to 8, and about every tenth of it from there on.
fn candidates(most: u32) -> impl Iterator<Item = u32> {
    std::iter::successors(Some(1), |&last: &u32| Some(last + (last / 10).max(1)))
        .take_while(move |&n| n <= most)
}

/// How many requests are counted at each number of clients, about.
const SAMPLES: f64 = 20_000.0;
