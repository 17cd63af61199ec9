//! How often a sender's id was not kept, and why.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use macadam_core::{Gauges, Metric, Reading, Sharded};

/// Why a request got a new id although its sender may bring one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Replaced {
    /// It brought none.
    Missing,
    /// It brought a header without a value.
    Empty,
    /// It brought more than 128 bytes.
    TooLong,
    /// It brought a byte outside `[A-Za-z0-9._:@/+=-]`.
    Charset,
    /// It brought more than one header.
    Duplicate,
}

impl Replaced {
    /// The word for it in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Charset => "charset",
            Self::Duplicate => "duplicate",
        }
    }

    const ALL: [Self; 5] = [Self::Missing, Self::Empty, Self::TooLong, Self::Charset, Self::Duplicate];
}

/// Reads how often a sender's id was replaced. Cheap to clone; made by
/// [`RequestIdLayer::pair`](crate::RequestIdLayer::pair).
///
/// As [`Gauges`] it is `macadam_request_id_replaced_total` by `reason`.
#[derive(Clone)]
pub struct RequestIdHandle {
    // A service whose clients send no ids counts `missing` at every request.
    counts: Sharded<Counts>,
}

/// By reason.
type Counts = [AtomicU64; Replaced::ALL.len()];

impl RequestIdHandle {
    pub(crate) fn new() -> Self {
        Self { counts: Sharded::new(Counts::default) }
    }

    pub(crate) fn count(&self, reason: Replaced) {
        let counts = self.counts.mine();
        counts.add(&counts[reason as usize], 1);
    }

    /// How many requests got a new id for this reason.
    pub fn replaced(&self, reason: Replaced) -> u64 {
        self.counts.iter().map(|counts| counts[reason as usize].load(Relaxed)).sum()
    }
}

impl Gauges for RequestIdHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        for reason in Replaced::ALL {
            out(Reading {
                name: "macadam_request_id_replaced_total",
                labels: &[("reason", reason.as_str())],
                value: self.replaced(reason) as f64,
            });
        }
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl RequestIdHandle {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[Metric::new(
        "macadam_request_id_replaced_total",
        "Inbound ids that were not taken over",
        &["reason"],
    )
    .at_most(Replaced::ALL.len())];
}

impl fmt::Debug for RequestIdHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(Replaced::ALL.map(|reason| (reason.as_str(), self.replaced(reason)))).finish()
    }
}
