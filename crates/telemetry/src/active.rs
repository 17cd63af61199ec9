//! How many requests are not over yet.

use std::{fmt, sync::Arc};

use macadam_core::{Gauges, Reading, Sharded, Share};

/// Reads how many requests are active. Cheap to clone; made by [`TelemetryLayer::pair`](crate::TelemetryLayer::pair).
///
/// As [`Gauges`] it is `macadam_requests_active`.
#[derive(Clone)]
pub struct TelemetryHandle {
    // Held by each of a thread's active requests: how many there are is how often it is held.
    held: Sharded<()>,
}

/// A request that is active until this is dropped.
pub(crate) struct Active {
    _held: Arc<Share<()>>,
}

impl TelemetryHandle {
    pub(crate) fn new() -> Self {
        Self { held: Sharded::new(|| ()) }
    }

    pub(crate) fn enter(&self) -> Active {
        Active { _held: Arc::clone(self.held.mine()) }
    }

    /// How many requests are active: from the layer's call until the response is over or given up.
    pub fn active(&self) -> usize {
        self.held.iter().map(|share| Arc::strong_count(share) - 1).sum()
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
