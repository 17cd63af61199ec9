//! The number that moves when an answer would change.

use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Release},
};

use tokio::sync::{Notify, futures::Notified};

/// Counted up after the change can be seen: who reads the number reads what it counts, or something newer.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    count: AtomicU64,
    moved: Notify,
}

impl Changes {
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Acquire)
    }

    /// A status is another one now.
    pub(crate) fn note(&self) {
        self.count.fetch_add(1, Release);
        self.moved.notify_waiters();
    }

    /// Nothing has changed, but it is to be looked at anew when something will.
    pub(crate) fn look_again(&self) {
        self.moved.notify_waiters();
    }

    /// Hears every note from now on.
    pub(crate) fn moved(&self) -> Notified<'_> {
        self.moved.notified()
    }
}
