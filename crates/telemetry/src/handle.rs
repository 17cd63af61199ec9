//! What is read of the requests from outside.

use std::{fmt, sync::Arc};

use macadam_core::{Gauges, Metric, Outcome, Outcomes, Reading, Sharded, Share};

use crate::metrics::Metrics;

/// Reads how many requests are active and what became of the others. Cheap to clone; made by
/// [`TelemetryLayer::pair`](crate::TelemetryLayer::pair).
///
/// As [`Gauges`] it is `macadam_requests_active`, and `macadam_requests_ended_total` by `outcome`.
#[derive(Clone)]
pub struct TelemetryHandle {
    outcomes: Outcomes,
    // On each thread again, so that a request which holds it touches no other thread's reference count.
    metrics: Sharded<Arc<Metrics>>,
}

impl TelemetryHandle {
    pub(crate) fn new() -> Self {
        let metrics = Arc::new(Metrics::new());
        Self { outcomes: Outcomes::new(), metrics: Sharded::new(|| Arc::clone(&metrics)) }
    }

    pub(crate) fn recorder(&self) -> &Arc<Share<Arc<Metrics>>> {
        self.metrics.mine()
    }

    /// How many requests are active: from the layer's call until the response is over or given up.
    pub fn active(&self) -> usize {
        self.outcomes.pending()
    }

    /// What became of the requests that are over: how many, how long they took, and the last that were slow or failed.
    pub fn outcomes(&self) -> &Outcomes {
        &self.outcomes
    }
}

impl Gauges for TelemetryHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        out(Reading { name: "macadam_requests_active", labels: &[], value: self.active() as f64 });
        for outcome in Outcome::ALL.iter().filter(|outcome| **outcome != Outcome::Pending) {
            out(Reading {
                name: "macadam_requests_ended_total",
                labels: &[("outcome", outcome.as_str())],
                value: self.outcomes.count(*outcome) as f64,
            });
        }
    }

    fn metrics(&self) -> &'static [Metric] {
        const {
            &[
                Metric::new("macadam_requests_active", "Requests that are not over", &[]),
                Metric::new(
                    "macadam_requests_ended_total",
                    "Requests that are over, by how they ended",
                    &["outcome"],
                ),
            ]
        }
    }
}

impl fmt::Debug for TelemetryHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TelemetryHandle").field("active", &self.active()).finish()
    }
}
