//! What is read of the requests from outside.

use std::fmt;

use macadam_core::{Gauges, Metric, Outcome, Outcomes, Reading};

use crate::metrics::Metrics;

/// Reads how many requests are active and what became of the others. Cheap to clone; made by
/// [`TelemetryLayer::pair`](crate::TelemetryLayer::pair).
///
/// As [`Gauges`] it is `macadam_requests_active`, and `macadam_requests_ended_total` by `outcome`.
#[derive(Clone)]
pub struct TelemetryHandle {
    metrics: Metrics,
}

impl TelemetryHandle {
    pub(crate) fn new() -> Self {
        Self { metrics: Metrics::new() }
    }

    pub(crate) fn recorded(&self) -> &Metrics {
        &self.metrics
    }

    /// How many requests are active: from the layer's call until the response is over or given up.
    pub fn active(&self) -> usize {
        let active: u64 = self.metrics.active().map(|(_, _, active)| active).sum();
        usize::try_from(active).unwrap_or(usize::MAX)
    }

    /// What became of the requests that are over: how many, how long they took, and the last that were slow or failed.
    pub fn outcomes(&self) -> &Outcomes {
        self.metrics.outcomes()
    }
}

impl Gauges for TelemetryHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        out(Reading { name: "macadam_requests_active", labels: &[], value: self.active() as f64 });
        for outcome in Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Pending) {
            out(Reading {
                name: "macadam_requests_ended_total",
                labels: &[("outcome", outcome.as_str())],
                value: self.outcomes().count(*outcome) as f64,
            });
        }
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl TelemetryHandle {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[
        Metric::new("macadam_requests_active", "Requests that are not over", &[]),
        Metric::new(
            "macadam_requests_ended_total",
            "Requests that are over, by how they ended",
            &["outcome"],
        )
        .at_most(Outcome::ALL.len() - 1),
    ];
}

impl fmt::Debug for TelemetryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryHandle").field("active", &self.active()).finish()
    }
}
