//! What only ever grows.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::reason::CloseReason;

/// A server's counters. Requests are counted by each connection, so that no request touches a line that others share.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) accepted: Count,
    pub(crate) accept_errors: Count,
    pub(crate) refused: Count,
    pub(crate) requests_of_closed: Count,
    closes: [Count; CloseReason::ALL.len()],
    pub(crate) discarded_bytes: Count,
    pub(crate) discarded_requests: Count,
}

#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Figures {
    pub(crate) fn closes(&self, reason: CloseReason) -> &Count {
        &self.closes[reason as usize]
    }
}

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
