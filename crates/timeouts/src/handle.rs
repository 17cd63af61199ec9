//! What a layer counts.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use macadam_core::{Gauges, Metric, Reading};

use crate::cause::TimeoutCause;

/// Reads how many requests of a [`TimeoutLayer`](crate::TimeoutLayer) have timed out (in a dry run, would have), and how
/// many said what it could not read.
///
/// | name | labels | |
/// |---|---|---|
/// | `macadam_timeouts_expired_total` | `cause` = `on-arrival` | the deadline had passed before the service was called |
/// | | `cause` = `deadline` | the service's own passed while it ran |
/// | | `cause` = `inherited` | a caller's passed while it ran |
/// | | `cause` = `response-deadline` | either passed in the body of a response, which was cut |
/// | | `cause` = `response-idle` | the service was silent in there for too long |
/// | `macadam_timeouts_malformed_total` | | requests that said in a malformed header how long their caller waits |
#[derive(Clone, Debug, Default)]
pub struct TimeoutHandle {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    expired: [AtomicU64; TimeoutCause::COUNTED.len()],
    malformed: AtomicU64,
}

impl TimeoutHandle {
    pub(crate) fn count(&self, cause: TimeoutCause) {
        self.counts.expired[cause as usize].fetch_add(1, Relaxed);
    }

    pub(crate) fn count_malformed(&self) {
        self.counts.malformed.fetch_add(1, Relaxed);
    }
}

impl Gauges for TimeoutHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        for cause in TimeoutCause::COUNTED {
            out(Reading {
                name: "macadam_timeouts_expired_total",
                labels: &[("cause", cause.as_str())],
                value: self.counts.expired[cause as usize].load(Relaxed) as f64,
            });
        }
        out(Reading {
            name: "macadam_timeouts_malformed_total",
            labels: &[],
            value: self.counts.malformed.load(Relaxed) as f64,
        });
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl TimeoutHandle {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[
        Metric::new(
            "macadam_timeouts_expired_total",
            "Requests that timed out, or would in a dry run",
            &["cause"],
        )
        .at_most(TimeoutCause::COUNTED.len()),
        Metric::new(
            "macadam_timeouts_malformed_total",
            "Requests that said in no form that exists how long their caller waits",
            &[],
        ),
    ];
}
