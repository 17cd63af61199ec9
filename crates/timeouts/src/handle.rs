//! What a layer counts.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use macadam_core::{Gauges, Kind, Reading};

/// Reads how many requests a [`TimeoutLayer`](crate::TimeoutLayer) has answered because their deadline passed.
///
/// | name | labels | |
/// |---|---|---|
/// | `macadam_timeouts_expired_total` | `kind` = `deadline` | before the service was called |
/// | | `kind` = `deadline-exceeded` | while the service ran |
#[derive(Clone, Debug, Default)]
pub struct TimeoutHandle {
    expired: Arc<Expired>,
}

#[derive(Debug, Default)]
struct Expired {
    before: AtomicU64,
    during: AtomicU64,
}

impl TimeoutHandle {
    pub(crate) fn count(&self, kind: Kind) {
        let expired = match kind {
            Kind::Deadline => &self.expired.before,
            _ => &self.expired.during,
        };
        expired.fetch_add(1, Relaxed);
    }
}

impl Gauges for TimeoutHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        for (kind, expired) in
            [(Kind::Deadline, &self.expired.before), (Kind::DeadlineExceeded, &self.expired.during)]
        {
            out(Reading {
                name: "macadam_timeouts_expired_total",
                labels: &[("kind", kind.as_str())],
                value: expired.load(Relaxed) as f64,
            });
        }
    }
}
