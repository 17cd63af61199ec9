//! Probes that are due at a steady rate, and are sent then, whatever became of those before.
//!
//! What a probe took is counted from when it was due: a prober that is held up itself, or waits for one answer before it
//! asks again, would leave out just the probes that matter.

use std::{fmt, io, net::SocketAddr, sync::Arc, thread, time::Duration};

use tokio::{
    runtime::Builder,
    sync::Mutex,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use crate::{client::Client, machine::Steal};

/// What is asked, how often and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Probing {
    pub(crate) address: SocketAddr,
    pub(crate) path: &'static str,
    /// Probes a second, half of them on connections of their own, as an orchestrator asks.
    pub(crate) rate: u32,
    pub(crate) length: Duration,
}

/// What became of the probes of one kind.
#[derive(Default)]
pub(crate) struct Waits {
    sorted: Vec<Duration>,
    pub(crate) lost: usize,
}

/// What became of all.
pub(crate) struct Probed {
    /// On connections that are kept.
    pub(crate) kept: Waits,
    /// On one of their own each.
    pub(crate) anew: Waits,
    /// How late they were sent: it is in what they took.
    pub(crate) lag: Waits,
    /// What part of the cores others had meanwhile.
    pub(crate) steal: Steal,
}

impl Probing {
    /// On a thread of its own, to its end.
    pub(crate) fn run(self) -> Probed {
        let thread = thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
            runtime.block_on(self.probe())
        });
        thread.join().expect("a prober counts what fails")
    }

    async fn probe(self) -> Probed {
        let pool = Arc::new(Mutex::new(Vec::new()));
        let mut probes = JoinSet::new();
        let (mut kept, mut anew, mut lag) = (Waits::default(), Waits::default(), Waits::default());
        let steal = Steal::now();
        let start = Instant::now();
        let count = u32::try_from(self.length.as_millis()).unwrap_or(u32::MAX) / 1000 * self.rate;
        for nth in 0..count {
            let due = start + Duration::from_secs(1) * nth / self.rate;
            sleep_until(due).await;
            lag.note(Some(due.elapsed()));
            let pool = (nth % 2 == 0).then(|| Arc::clone(&pool));
            probes.spawn(async move {
                let keeps = pool.is_some();
                let is_answered = matches!(timeout(PATIENCE, self.ask(pool)).await, Ok(Ok(())));
                (keeps, is_answered.then(|| due.elapsed()))
            });
        }
        while let Some(ended) = probes.join_next().await {
            let (keeps, took) = ended.expect("a probe does not panic");
            if keeps { &mut kept } else { &mut anew }.note(took);
        }
        let steal = steal.since();
        for waits in [&mut kept, &mut anew, &mut lag] {
            waits.sorted.sort_unstable();
        }
        Probed { kept, anew, lag, steal }
    }

    async fn ask(self, pool: Option<Arc<Mutex<Vec<Client>>>>) -> io::Result<()> {
        let had = match &pool {
            Some(pool) => pool.lock().await.pop(),
            None => None,
        };
        let mut client = match had {
            Some(client) => client,
            None => Client::connect(self.address).await?,
        };
        let answer = client.get(self.path).await?;
        if let Some(pool) = pool.filter(|_| answer.keeps) {
            pool.lock().await.push(client);
        }
        // A probe that says no has been answered too.
        if matches!(answer.status, 200 | 503) { Ok(()) } else { Err(io::Error::other("neither 200 nor 503")) }
    }
}

impl Waits {
    /// None is one that was lost.
    fn note(&mut self, took: Option<Duration>) {
        match took {
            Some(took) => self.sorted.push(took),
            None => self.lost += 1,
        }
    }

    pub(crate) fn of(mut sorted: Vec<Duration>) -> Self {
        sorted.sort_unstable();
        Self { sorted, lost: 0 }
    }

    pub(crate) fn at(&self, quantile: f64) -> Duration {
        let index = (self.sorted.len() as f64 * quantile) as usize;
        self.sorted.get(index.min(self.sorted.len().saturating_sub(1))).copied().unwrap_or(Duration::MAX)
    }

    pub(crate) fn count(&self) -> usize {
        self.sorted.len() + self.lost
    }
}

impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p999, worst] = [0.5, 0.99, 0.999, 1.0].map(|at| self.at(at).as_secs_f64() * 1000.0);
        write!(f, "{p50:.1}, {p99:.1}, {p999:.1}, {worst:.1} ms")
    }
}

/// An orchestrator's, by default.
const PATIENCE: Duration = Duration::from_secs(1);
