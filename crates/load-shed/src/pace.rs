//! How fast requests come through.

use std::time::Duration;

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Means of the last interval in which something was completed; nothing until then.
#[derive(Default)]
pub(crate) struct Pace {
    /// Nanoseconds between two completions.
    turn: AtomicU64,
    /// Nanoseconds that a request ran.
    run: AtomicU64,
}

impl Pace {
    /// After an interval of `elapsed` with so many completions, and `in_flight` on the average.
    pub(crate) fn on_interval(&self, elapsed: Duration, completed: u64, in_flight: f64) {
        if completed == 0 {
            return;
        }
        let turn = elapsed.as_nanos() as f64 / completed as f64;
        self.turn.store(turn as u64, Relaxed);
        // Little's law.
        self.run.store((turn * in_flight) as u64, Relaxed);
    }

    /// From one completion to the next.
    pub(crate) fn turn(&self) -> Duration {
        Duration::from_nanos(self.turn.load(Relaxed))
    }

    /// Half of what a request runs for, on the average. A few slow ones make a mean of which most need but a half, and
    /// refusing those would be refusing what can be done.
    pub(crate) fn least_run(&self) -> Duration {
        Duration::from_nanos(self.run.load(Relaxed) / 2)
    }
}
