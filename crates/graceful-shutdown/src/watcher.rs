//! The thread that drives a shutdown.
//!
//! It has a runtime of its own, so that signals are seen, phases end in time and the process exits although every
//! worker of the service's runtime is blocked. It logs nothing before its last words: a log whose pipe is full, or
//! whose lock a blocked worker holds, would stop it.

use std::{io, sync::Arc, thread, time::Duration};

use macadam_core::Phase;
use tokio::{
    runtime,
    sync::{oneshot, watch},
    time::{Instant, sleep_until},
};

use crate::{
    course::{Course, Told},
    lame_duck::Seen,
    plan::{Plan, Progress, Step},
    reaper::{Reaper, Verdict},
    reason::Reason,
    signals::Signals,
};

/// What the thread may do to the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Powers {
    /// Take its signals.
    pub(crate) signals: bool,
    /// End it when the budget is over.
    pub(crate) reaper: bool,
}

struct Watcher {
    course: Arc<Course>,
    told: watch::Receiver<Told>,
    plan: Plan,
    powers: Powers,
    signals: Signals,
    signalled: bool,
    reaper: Reaper,
}

/// Starts the thread, and returns when it listens for signals.
pub(crate) async fn start(course: &Arc<Course>, plan: Plan, powers: Powers) -> io::Result<()> {
    let (ready, started) = oneshot::channel();
    let course = Arc::clone(course);
    let reaper = Reaper::new(&course);
    thread::Builder::new().name("macadam-shutdown".into()).spawn(move || {
        // Made in here: a runtime must not be dropped on a worker of another.
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async move {
            let signals = match Signals::listen(powers.signals) {
                Ok(signals) => signals,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let told = course.told();
            let watcher = Watcher { course, told, plan, powers, signals, signalled: false, reaper };
            drop(ready.send(Ok(())));
            watcher.watch().await;
        });
    })?;
    started.await.unwrap_or_else(|_| Err(io::Error::other("the shutdown's thread ended before it began")))
}

impl Watcher {
    async fn watch(mut self) {
        let signal = tokio::select! {
            name = self.signals.next() => Some(name),
            _ = self.told.wait_for(|told| told.reason.is_some()) => None,
        };
        if let Some(name) = signal {
            self.signal(name);
        }

        let began = self.course.began();
        let mut until = Duration::ZERO;
        let mut arrivals = Arrivals::default();
        loop {
            let elapsed = began.elapsed();
            let seen = Seen {
                probes: self.course.phase().probes(),
                request: arrivals.last(self.course.ledger().arrived(), elapsed),
                server_ended: self.told.borrow_and_update().server_ended,
            };
            let progress = Progress { phase: self.course.phase().current(), until, seen };
            match self.plan.next(progress, elapsed) {
                Step::Enter { phase, until: end } => {
                    until = end;
                    self.course.enter(phase, Some(began + end));
                }
                Step::EndLameDuck { end: why, until: end } => {
                    until = end;
                    self.course.end_lame_duck(why, began + end);
                }
                Step::Wait { until } => self.wait(began + until).await,
                Step::Exit if self.powers.reaper => self.reaper.exit(Verdict::OutOfTime(self.plan.budget)),
                Step::Exit => break,
            }
            if !self.powers.reaper && self.course.phase().current() == Phase::Stopped {
                break;
            }
        }

        // There is nothing left to do but to keep the promise of the second signal, which nobody else would hear.
        while self.powers.signals {
            let name = self.signals.next().await;
            self.signal(name);
        }
    }

    async fn wait(&mut self, until: Instant) {
        let phase = self.course.phase().clone();
        tokio::select! {
            name = self.signals.next() => self.signal(name),
            _ = self.told.changed() => {}
            () = sleep_until(until) => {}
            _ = phase.reached(Phase::Stopped), if !self.powers.reaper => {}
        }
    }

    /// The first signal asks, and it may come after a shutdown that began by itself; the second insists.
    fn signal(&mut self, name: &'static str) {
        if self.signalled {
            self.reaper.exit(Verdict::Forced(name));
        }
        self.signalled = true;
        self.course.begin(Reason::Signal(name));
    }
}

/// When requests came, as far as looks at their counter tell: never earlier than they did.
#[derive(Default)]
struct Arrivals {
    count: u64,
    last: Duration,
}

impl Arrivals {
    fn last(&mut self, count: u64, now: Duration) -> Duration {
        if count != self.count {
            *self = Self { count, last: now };
        }
        self.last
    }
}
