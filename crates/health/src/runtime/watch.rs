//! Who looks at the workers, and how often.

use std::{convert::Infallible, time::Duration};

use tokio::{
    runtime::{Handle, RuntimeMetrics},
    task::{JoinHandle, spawn_blocking},
    time::{Instant, sleep},
};

use super::{
    finding::{Found, Limits},
    still::{Sample, Stand, Stillness},
};
use crate::{class::Status, probe::Probe};

/// A runtime to be watched, and how long it may stand still.
///
/// [`Health::watch`](crate::Health::watch) watches it, from another runtime.
#[derive(Clone, Debug)]
#[must_use = "a runtime is watched by `Health::watch`"]
pub struct RuntimeWatch {
    runtime: Handle,
    limits: Limits,
}

impl RuntimeWatch {
    /// The runtime of this handle, which may stand still for 1 s and for 10 s.
    pub fn new(runtime: Handle) -> Self {
        let limits = Limits { unready_after: UNREADY_AFTER, dead_after: Some(DEAD_AFTER) };
        Self { runtime, limits }
    }

    /// For how long all workers have to stand still before `/readyz` fails. It says *degraded* once some have for as
    /// long, and others not. 1 s by default.
    pub fn unready_after(mut self, limit: Duration) -> Self {
        self.limits.unready_after = limit;
        self
    }

    /// For how long all workers have to stand still before `/livez` fails; `None` for never. 10 s by default.
    pub fn dead_after(mut self, limit: Option<Duration>) -> Self {
        self.limits.dead_after = limit;
        self
    }

    pub(crate) async fn run(self, found: &Found) -> Infallible {
        let metrics = self.runtime.metrics();
        let _until_dropped = Clear(found);
        let mut stillness = Stillness::new(self.limits.unready_after, samples(&metrics), Instant::now());
        let mut nudge = Nudge::default();
        let mut narrator = Narrator::default();
        loop {
            let stand = stillness.look(samples(&metrics), Instant::now());
            found.set(Some((stand, self.limits)));
            narrator.tell(stand, self.limits);
            if stand.unattended {
                nudge.give(&self.runtime);
            }
            sleep(PERIOD).await;
        }
    }
}

fn samples(metrics: &RuntimeMetrics) -> impl Iterator<Item = Sample> {
    (0..metrics.num_workers()).map(|worker| Sample {
        turns: metrics.worker_park_unpark_count(worker),
        busy: metrics.worker_total_busy_duration(worker),
    })
}

/// What was found when nobody looks any more is no finding.
struct Clear<'a>(&'a Found);

impl Drop for Clear<'_> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}

/// Wakes a worker, so that somebody waits for I/O and timers.
///
/// Of the workers that sleep one waits for those, and the others for work. Who was woken by I/O runs the task that it
/// was for, and wakes nobody for a single one: if that task blocks, the I/O of all the others waits with it. A
/// worker that is woken and finds nothing to do waits for I/O next.
#[derive(Default)]
struct Nudge(Option<JoinHandle<()>>);

impl Nudge {
    /// One at a time: in a runtime that stands still altogether they would pile up.
    fn give(&mut self, runtime: &Handle) {
        if self.0.as_ref().is_none_or(JoinHandle::is_finished) {
            self.0 = Some(runtime.spawn(async {}));
        }
    }
}

/// Tells the log of changes, from a thread of its own: the log may be what the workers stand still in, and who answers
/// probes must not join them.
#[derive(Default)]
struct Narrator {
    /// How many were stalled as of the last line.
    told: usize,
    telling: Option<JoinHandle<()>>,
}

impl Narrator {
    fn tell(&mut self, stand: Stand, limits: Limits) {
        if self.told == stand.stalled || self.telling.as_ref().is_some_and(|telling| !telling.is_finished()) {
            return;
        }
        self.told = stand.stalled;
        self.telling = Some(spawn_blocking(move || match stand.status(Probe::Readiness, limits) {
            Status::Pass => tracing::info!("the runtime moves again: {stand}"),
            Status::Warn => tracing::warn!("a part of the runtime stands still: {stand}"),
            Status::Fail => tracing::error!("the runtime stands still: {stand}"),
        }));
    }
}

/// What a limit is late by is at most two of these, and what a recovery is late by one.
const PERIOD: Duration = Duration::from_millis(50);
const UNREADY_AFTER: Duration = Duration::from_secs(1);
const DEAD_AFTER: Duration = Duration::from_secs(10);
