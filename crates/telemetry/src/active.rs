//! How many requests are not over yet.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use macadam_core::{Gauges, Reading};

/// Reads how many requests are active. Cheap to clone; made by [`TelemetryLayer::pair`](crate::TelemetryLayer::pair).
///
/// As [`Gauges`] it is `macadam_requests_active`.
#[derive(Clone)]
pub struct TelemetryHandle {
    shards: Arc<[Arc<Shard>]>,
}

/// The active requests of some threads: each holds it, so that its reference count is theirs and one.
///
/// One counter for all threads would have them wait for its cache line twice a request, so each has its own: two
/// lines, since processors fetch them in pairs.
#[repr(align(128))]
struct Shard;

/// A request that is active until this is dropped.
pub(crate) struct Active {
    _shard: Arc<Shard>,
}

impl TelemetryHandle {
    pub(crate) fn new() -> Self {
        let threads = thread::available_parallelism().map_or(4, usize::from);
        Self { shards: (0..threads.next_power_of_two()).map(|_| Arc::new(Shard)).collect() }
    }

    pub(crate) fn enter(&self) -> Active {
        Active { _shard: Arc::clone(&self.shards[index_of_this_thread() % self.shards.len()]) }
    }

    /// How many requests are active: from the layer's call until the response is over or given up.
    pub fn active(&self) -> usize {
        self.shards.iter().map(|shard| Arc::strong_count(shard) - 1).sum()
    }
}

impl Gauges for TelemetryHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        out(Reading { name: "macadam_requests_active", labels: &[], value: self.active() as f64 });
    }
}

impl fmt::Debug for TelemetryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryHandle").field("active", &self.active()).finish()
    }
}

/// Threads are numbered in the order in which each first asks.
fn index_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static INDEX: usize = NEXT.fetch_add(1, Relaxed));
    // A request may be answered while its thread is torn down.
    INDEX.try_with(|index| *index).unwrap_or(0)
}
