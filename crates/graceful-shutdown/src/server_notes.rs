//! What only a server can know of its connections, and the report has to say.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

#[derive(Debug, Default)]
pub(crate) struct ServerNotes {
    connections_cut: AtomicUsize,
    requests_cut: AtomicUsize,
    discarded: AtomicU64,
}

impl ServerNotes {
    pub(crate) fn cut(&self, connections: usize, requests: usize) {
        self.connections_cut.fetch_add(connections, Relaxed);
        self.requests_cut.fetch_add(requests, Relaxed);
    }

    pub(crate) fn discard(&self, requests: u64) {
        self.discarded.fetch_add(requests, Relaxed);
    }

    pub(crate) fn connections_cut(&self) -> usize {
        self.connections_cut.load(Relaxed)
    }

    pub(crate) fn requests_cut(&self) -> usize {
        self.requests_cut.load(Relaxed)
    }

    pub(crate) fn discarded(&self) -> u64 {
        self.discarded.load(Relaxed)
    }
}
