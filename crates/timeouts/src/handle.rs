//! What a layer counts.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use macadam_core::{Gauges, Kind, Reading};

use crate::elapsed::Elapsed;

/// Reads how many requests a [`TimeoutLayer`](crate::TimeoutLayer) has answered because their deadline passed, how many
/// responses it has cut, and how many requests said what it could not read.
///
/// | name | labels | |
/// |---|---|---|
/// | `macadam_timeouts_expired_total` | `kind` = `deadline` | before the service was called |
/// | | `kind` = `deadline-exceeded` | while the service ran |
/// | `macadam_timeouts_malformed_total` | | requests that said in a malformed header how long their caller waits |
/// | `macadam_timeouts_cut_total` | `clock` = `deadline` | in the body of a response, which was ended |
/// | | `clock` = `idle` | the service was silent in there for too long |
#[derive(Clone, Debug, Default)]
pub struct TimeoutHandle {
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    before: AtomicU64,
    during: AtomicU64,
    malformed: AtomicU64,
    bodies: AtomicU64,
    silent: AtomicU64,
}

impl TimeoutHandle {
    pub(crate) fn count(&self, kind: Kind) {
        let count = match kind {
            Kind::Deadline => &self.counts.before,
            Kind::MalformedTimeout => &self.counts.malformed,
            _ => &self.counts.during,
        };
        count.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_cut(&self, elapsed: Elapsed) {
        let cut = match elapsed {
            Elapsed::ResponseIdle(_) => &self.counts.silent,
            _ => &self.counts.bodies,
        };
        cut.fetch_add(1, Relaxed);
    }
}

impl Gauges for TimeoutHandle {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        for (kind, expired) in
            [(Kind::Deadline, &self.counts.before), (Kind::DeadlineExceeded, &self.counts.during)]
        {
            out(Reading {
                name: "macadam_timeouts_expired_total",
                labels: &[("kind", kind.as_str())],
                value: expired.load(Relaxed) as f64,
            });
        }
        out(Reading {
            name: "macadam_timeouts_malformed_total",
            labels: &[],
            value: self.counts.malformed.load(Relaxed) as f64,
        });
        for (clock, cut) in [("deadline", &self.counts.bodies), ("idle", &self.counts.silent)] {
            out(Reading {
                name: "macadam_timeouts_cut_total",
                labels: &[("clock", clock)],
                value: cut.load(Relaxed) as f64,
            });
        }
    }
}
