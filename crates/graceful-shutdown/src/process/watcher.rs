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

#[cfg(all(unix, feature = "systemd"))]
use super::systemd::Systemd;
use super::{
    reaper::{Flush, Reaper, Verdict},
    reload::{Reload, Reloader},
    signals::{FirstStop, Signal, Signals, Stop},
};
use crate::{
    course::{Course, Told},
    phases::{Plan, Progress, Seen, Step},
    reason::Reason,
};

/// What the thread may do to the process.
#[derive(Debug)]
pub(crate) struct Powers {
    /// Take its signals.
    pub(crate) signals: bool,
    /// End it when the budget is over.
    pub(crate) reaper: bool,
    /// Tell systemd about it.
    #[cfg(all(unix, feature = "systemd"))]
    pub(crate) systemd: bool,
    /// What follows the last words of a process that is made to exit.
    pub(crate) flush: Option<Flush>,
    /// What to do on SIGHUP.
    pub(crate) reloads: Vec<Reload>,
}

struct Watcher {
    course: Arc<Course>,
    told: watch::Receiver<Told>,
    plan: Plan,
    takes_signals: bool,
    reaps: bool,
    signals: Signals,
    first: FirstStop,
    reaper: Reaper,
}

/// Starts the thread, and returns when it listens for signals.
pub(crate) async fn start(course: &Arc<Course>, plan: Plan, powers: Powers) -> io::Result<()> {
    let Powers { signals: takes_signals, reaper: reaps, flush, reloads, .. } = powers;
    #[cfg(all(unix, feature = "systemd"))]
    let systemd = if powers.systemd && Systemd::listens() {
        Some(Systemd::start(course, plan.budget, reaps)?)
    } else {
        None
    };
    let reload = !reloads.is_empty();
    // Under systemd a SIGHUP asks for a reload, be it one of nothing: to die of it would be no answer.
    #[cfg(all(unix, feature = "systemd"))]
    let reload = reload || systemd.is_some();
    if reload {
        let reloader = Reloader {
            course: Arc::clone(course),
            hooks: reloads,
            #[cfg(all(unix, feature = "systemd"))]
            systemd,
        };
        tokio::spawn(reloader.listen());
    }

    let (ready, started) = oneshot::channel();
    let course = Arc::clone(course);
    let reaper = Reaper::new(&course, flush);
    thread::Builder::new().name("macadam-shutdown".into()).spawn(move || {
        // Made in here: a runtime must not be dropped on a worker of another.
        let runtime = match runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(error))),
        };
        runtime.block_on(async move {
            let signals = match Signals::listen(takes_signals, reload) {
                Ok(signals) => signals,
                Err(error) => return drop(ready.send(Err(error))),
            };
            let told = course.told();
            let first = FirstStop::default();
            let watcher = Watcher { course, told, plan, takes_signals, reaps, signals, first, reaper };
            drop(ready.send(Ok(())));
            watcher.watch().await;
        });
    })?;
    started.await.unwrap_or_else(|_| Err(io::Error::other("the shutdown's thread ended before it began")))
}

impl Watcher {
    async fn watch(mut self) {
        while self.told.borrow_and_update().reason.is_none() {
            tokio::select! {
                signal = self.signals.next() => self.heed(signal),
                _ = self.told.changed() => {}
            }
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
                Step::Exit if self.reaps => self.reaper.exit(Verdict::OutOfTime(self.plan.budget)),
                Step::Exit => break,
            }
            if !self.reaps && self.course.phase().current() == Phase::Stopped {
                break;
            }
        }

        // There is nothing left to do but to keep the promise of the second signal, which nobody else would hear.
        while self.takes_signals {
            let signal = self.signals.next().await;
            self.heed(signal);
        }
    }

    async fn wait(&mut self, until: Instant) {
        let phase = self.course.phase().clone();
        tokio::select! {
            signal = self.signals.next() => self.heed(signal),
            _ = self.told.changed() => {}
            () = sleep_until(until) => {}
            _ = phase.reached(Phase::Stopped), if !self.reaps => {}
        }
    }

    /// The first signal asks, and it may come after a shutdown that began by itself; the second insists.
    fn heed(&mut self, signal: Signal) {
        let name = match signal {
            Signal::Leave(name) => name,
            Signal::Reload => return self.course.ask_reload(),
        };
        match self.first.then(name) {
            Stop::Asks => drop(self.course.begin(Reason::Signal(name))),
            Stop::Again => {}
            Stop::Insists => self.reaper.exit(Verdict::Forced(name)),
        }
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
