//! What the watch of the runtime says among the other figures: the one place here that knows its names.

use serde::Serialize;

use crate::status::Gauge;

/// How the service's runtime stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Runtime {
    pub(crate) workers: f64,
    /// How many of them stand still.
    pub(crate) stalled: f64,
    /// How long the one that has done so for longest.
    pub(crate) stall_ms: f64,
}

impl Runtime {
    /// `None` where nobody watches it.
    pub(crate) fn of(gauges: &[Gauge]) -> Option<Self> {
        let value = |name| gauges.iter().find(|gauge| gauge.name == name).map(|gauge| gauge.value);
        Some(Self {
            workers: value("macadam_runtime_workers")?,
            stalled: value("macadam_runtime_stalled_workers")?,
            stall_ms: value("macadam_runtime_stall_seconds")? * 1e3,
        })
    }
}
