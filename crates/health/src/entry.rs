//! A check, and the book of its runs under a lock.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use macadam_core::Reading;
use tokio::time::Instant;

use crate::{
    changes::Changes,
    check::Check,
    class::Status,
    health::Line,
    probe::Probe,
    record::{News, Record},
    snapshot::CheckSnapshot,
};

pub(crate) struct Entry {
    pub(crate) check: Check,
    /// Held while somebody runs the check, so that it never runs twice at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// Held to write down a result or to copy what is there, and never while the check runs.
    record: Mutex<Record>,
    /// Whether a thread is inside the check now. It orders nothing.
    polled: AtomicBool,
    changes: Arc<Changes>,
}

impl Entry {
    pub(crate) fn new(check: Check, changes: Arc<Changes>) -> Self {
        let record = Mutex::new(Record::new(&check, Instant::now()));
        Self { check, turn: tokio::sync::Mutex::new(()), record, polled: AtomicBool::new(false), changes }
    }

    /// A process that has not started is not ready either, whether or not its platform asks for both.
    pub(crate) fn is_asked_by(&self, probe: Probe) -> bool {
        let own = self.check.probe;
        own == probe || (own == Probe::Startup && probe == Probe::Readiness)
    }

    /// The one way to the record: whoever comes first after a change, be it a run's result or the passing of time, is
    /// the one who makes it known.
    pub(crate) fn visit<T>(&self, visit: impl FnOnce(&mut Record, Instant) -> T) -> T {
        let now = Instant::now();
        let (changed, seen) = {
            let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
            let caught_up = (self.is_to_blame() && record.settle(now)) | record.take_change(now);
            let seen = visit(&mut record, now);
            (caught_up | record.take_change(now), seen)
        };
        if changed {
            self.changes.note();
        }
        seen
    }

    /// Notes whether a thread is inside the check.
    pub(crate) fn set_polled(&self, polled: bool) {
        self.polled.store(polled, Relaxed);
    }

    /// Whether a result that does not come is the check's own failure. For readiness it is, whoever holds it up. That a
    /// runtime gets to nothing kills no process by way of a liveness check: how long it may is for who
    /// [watches](crate::Health::watch) it.
    fn is_to_blame(&self) -> bool {
        self.check.probe != Probe::Liveness || self.polled.load(Relaxed)
    }

    /// Logs what there is to say. Not for who answers probes: the log may be what everybody else waits for.
    pub(crate) fn tell(&self) {
        if let Some(news) = self.visit(Record::take_news) {
            self.log(&news);
        }
    }

    fn log(&self, News { failure, flips }: &News) {
        let check = self.check.name.as_str();
        let class = self.check.class.as_str();
        match failure {
            None => tracing::info!(check, class, flips, "health check passes"),
            Some(reason) => tracing::warn!(check, class, flips, %reason, "health check fails"),
        }
    }

    pub(crate) fn line(&self) -> Line<'_> {
        self.visit(|record, now| Line {
            name: &self.check.name,
            critical: record.status() != Status::Warn,
            finding: record.failure(now).map_or(Ok(()), Err),
        })
    }

    pub(crate) fn snapshot(&self) -> CheckSnapshot {
        self.visit(|record, now| record.snapshot(&self.check, now))
    }

    /// Makes known what has changed by the mere passing of time.
    pub(crate) fn catch_up(&self) {
        self.visit(|_, _| ());
    }

    /// Somebody begins to run it: from now on the passing of time may change something.
    pub(crate) fn is_run(&self) {
        self.visit(Record::expect);
        self.changes.look_again();
    }

    /// When that may next be.
    pub(crate) fn next_change(&self) -> Option<Instant> {
        self.visit(|record, now| {
            let at = record.next_change()?;
            // What is held up by others now may hold itself up later.
            Some(if at > now { at } else { now + BETWEEN_LOOKS })
        })
    }

    pub(crate) fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        let seen = self.snapshot();
        let labels = [("check", seen.name.as_str()), ("class", seen.class.as_str())];
        let seconds = |duration: Option<Duration>| duration.map(|duration| duration.as_secs_f64());
        for (name, value) in [
            ("macadam_health_check_up", Some(f64::from(seen.is_up()))),
            ("macadam_health_check_runs_total", Some(seen.runs as f64)),
            ("macadam_health_check_failures_total", Some(seen.failures as f64)),
            ("macadam_health_check_timeouts_total", Some(seen.timeouts as f64)),
            ("macadam_health_check_flips_total", Some(seen.flips as f64)),
            ("macadam_health_check_duration_seconds", seconds(seen.last_duration)),
            ("macadam_health_check_age_seconds", seconds(seen.finding_age)),
            ("macadam_health_check_stuck_seconds", Some(seconds(seen.stuck_for).unwrap_or(0.0))),
        ] {
            if let Some(value) = value {
                out(Reading { name, labels: &labels, value });
            }
        }
    }
}

const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
