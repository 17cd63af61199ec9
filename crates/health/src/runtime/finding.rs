//! What a probe says of the runtime.

use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use macadam_core::Reading;

use super::{RUNTIME, still::Stand};
use crate::{changes::Changes, class::Status, health::Line, probe::Probe};

/// How the workers stood when they were last looked at; nothing while nobody looks.
pub(crate) struct Found {
    // A lock, since figures of one look belong together. It is held for a copy of them.
    stand: Mutex<Option<(Stand, Limits)>>,
    changes: Arc<Changes>,
}

/// How long is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) unready_after: Duration,
    pub(crate) dead_after: Option<Duration>,
}

impl Found {
    pub(crate) fn new(changes: Arc<Changes>) -> Self {
        Self { stand: Mutex::default(), changes }
    }

    pub(crate) fn set(&self, found: Option<(Stand, Limits)>) {
        let statuses = |found: Option<(Stand, Limits)>| {
            found.map(|(stand, limits)| {
                [Probe::Liveness, Probe::Readiness].map(|probe| stand.status(probe, limits))
            })
        };
        let before = std::mem::replace(&mut *self.lock(), found);
        if statuses(before) != statuses(found) {
            self.changes.note();
        }
    }

    /// The line in the answer to this probe; none where nobody looks, since that would be a guess.
    pub(crate) fn line(&self, probe: Probe) -> Option<Line<'static>> {
        // What has started, stays started.
        let (stand, limits) = (*self.lock()).filter(|_| probe != Probe::Startup)?;
        let status = stand.status(probe, limits);
        let finding = match status {
            Status::Pass => Ok(()),
            Status::Warn => Err(stand.reason(stand.longest)),
            Status::Fail => Err(stand.reason(stand.all)),
        };
        Some(Line { name: RUNTIME, critical: status != Status::Warn, finding })
    }

    pub(crate) fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        let Some((stand, _)) = *self.lock() else { return };
        let mut figure = |name, value| out(Reading { name, labels: &[], value });
        figure("macadam_runtime_workers", stand.workers as f64);
        figure("macadam_runtime_stalled_workers", stand.stalled as f64);
        figure("macadam_runtime_stall_seconds", stand.longest.as_secs_f64());
    }

    fn lock(&self) -> MutexGuard<'_, Option<(Stand, Limits)>> {
        self.stand.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stand {
    /// One worker of several that stands still costs throughput; the others serve.
    pub(crate) fn status(self, probe: Probe, limits: Limits) -> Status {
        match probe {
            Probe::Readiness if self.all >= limits.unready_after => Status::Fail,
            Probe::Readiness if self.stalled > 0 => Status::Warn,
            Probe::Liveness if limits.dead_after.is_some_and(|limit| self.all >= limit) => Status::Fail,
            _ => Status::Pass,
        }
    }

    fn reason(self, age: Duration) -> Cow<'static, str> {
        Cow::Owned(format!("{self} for {:.1} s", age.as_secs_f64()))
    }
}

impl fmt::Display for Stand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} workers stalled", self.stalled, self.workers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Finding;

    const MS: Duration = Duration::from_millis(1);
    const LIMITS: Limits =
        Limits { unready_after: Duration::from_secs(1), dead_after: Some(Duration::from_secs(10)) };

    fn line(stand: Stand, probe: Probe) -> (bool, Finding) {
        let found = Found::new(Arc::default());
        found.set(Some((stand, LIMITS)));
        let line = found.line(probe).unwrap();
        assert_eq!(line.name, "runtime");
        (line.status() == Status::Fail, line.finding)
    }

    fn all_for(all: Duration) -> Stand {
        let stalled = if all >= LIMITS.unready_after { 2 } else { 0 };
        Stand { workers: 2, stalled, longest: all, all, unattended: false }
    }

    #[test]
    fn a_stall_of_all_workers_fails_readiness_at_its_limit_and_liveness_at_its_own() {
        let seconds = Duration::from_secs;
        for (all, readiness, liveness) in [
            (seconds(1) - MS, (false, Ok(())), (false, Ok(()))),
            (seconds(1), (true, Err("2 of 2 workers stalled for 1.0 s".into())), (false, Ok(()))),
            (seconds(10) - MS, (true, Err("2 of 2 workers stalled for 10.0 s".into())), (false, Ok(()))),
            (
                seconds(10),
                (true, Err("2 of 2 workers stalled for 10.0 s".into())),
                (true, Err("2 of 2 workers stalled for 10.0 s".into())),
            ),
        ] {
            assert_eq!(line(all_for(all), Probe::Readiness), readiness, "{all:?}");
            assert_eq!(line(all_for(all), Probe::Liveness), liveness, "{all:?}");
        }
    }

    #[test]
    fn one_stalled_worker_of_several_fails_nothing_and_is_told_with_its_age() {
        let stand = Stand { workers: 4, stalled: 1, longest: 61_250 * MS, ..Stand::default() };
        let reason = "1 of 4 workers stalled for 61.2 s";
        assert_eq!(line(stand, Probe::Readiness), (false, Err(reason.into())));
        assert_eq!(line(stand, Probe::Liveness), (false, Ok(())));
    }

    #[test]
    fn a_change_of_what_a_probe_says_is_made_known_and_nothing_else_is() {
        let changes = Arc::<Changes>::default();
        let found = Found::new(Arc::clone(&changes));
        let seconds = Duration::from_secs;
        for (stand, noted) in [
            (Some(all_for(Duration::ZERO)), 1),
            (Some(all_for(MS)), 1),
            (Some(all_for(seconds(1))), 2),
            (Some(all_for(seconds(2))), 2),
            (Some(all_for(seconds(10))), 3),
            (Some(all_for(Duration::ZERO)), 4),
            (None, 5),
        ] {
            found.set(stand.map(|stand| (stand, LIMITS)));
            assert_eq!(changes.count(), noted, "{stand:?}");
        }
    }

    #[test]
    fn who_does_not_look_says_nothing() {
        let found = Found::new(Arc::default());
        for probe in [Probe::Liveness, Probe::Readiness, Probe::Startup] {
            assert!(found.line(probe).is_none());
        }
        found.read(&mut |reading| panic!("{reading:?}"));
    }
}
