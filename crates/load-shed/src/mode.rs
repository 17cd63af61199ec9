//! Whether a gate refuses.

use crate::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// Whether a gate refuses, only says what it would refuse, or does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Refuses what there is no room for.
    #[default]
    Enforce,
    /// Refuses nothing and delays nothing, and counts what it would have refused.
    ///
    /// What would have waited runs at once, and is in flight over the limit, by as much as the queue has places; so
    /// [`in_flight`](crate::LoadShedHandle::in_flight) may be higher than the limit, and nothing is queued. Beyond
    /// that a request counts as refused and, as if it had been, not as in flight. What a wait would have cost is
    /// not rehearsed: `deadline` counts those whose deadline had passed when they would have had to wait. Nor is the
    /// order of a queue that is not there: a refusal counts as `tenant`'s where a tenant's share would have decided on it,
    /// and nobody's place is taken by another.
    DryRun,
    /// Decides nothing and counts nothing.
    Off,
}

/// The mode of a gate, while it may be switched.
pub(crate) struct Switch(AtomicU8);

impl Switch {
    pub(crate) fn new(mode: Mode) -> Self {
        Self(AtomicU8::new(mode as u8))
    }

    pub(crate) fn get(&self) -> Mode {
        match self.0.load(Relaxed) {
            0 => Mode::Enforce,
            1 => Mode::DryRun,
            _ => Mode::Off,
        }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.0.store(mode as u8, Relaxed);
    }
}
