//! What is measured of every request, by OpenTelemetry's conventions for HTTP servers.

mod histogram;
mod labels;
mod series;
mod text;

use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::Duration,
};

use macadam_core::{Route, Sharded};

pub(crate) use self::labels::Labels;
pub use self::{
    histogram::BOUNDS,
    labels::{ErrorType, Scheme},
    text::Exposition,
};
use self::{histogram::Cell, labels::METHODS, series::Series};

/// The metrics of one layer.
pub(crate) struct Metrics {
    /// From the arrival to the end.
    durations: Series<Cell>,
    /// From the arrival to the response's head.
    first_bytes: Series<Cell>,
    /// Responses that went on for as long as their client liked: how long that was says nothing of the service.
    streams: Series<AtomicU64>,
    turnout: Sharded<[[Turnout; METHODS.len()]; 2]>,
}

/// Of one method and scheme. What begins on one thread may end on another, so only the sums over all threads compare.
#[derive(Default)]
struct Turnout {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            durations: Series::new(),
            first_bytes: Series::new(),
            streams: Series::new(),
            turnout: Sharded::new(Default::default),
        }
    }

    #[inline]
    pub(crate) fn begin(&self, labels: Labels) {
        self.turnout(labels).begun.fetch_add(1, Relaxed);
    }

    #[inline]
    pub(crate) fn first_byte(&self, labels: Labels, route: Option<Route>, after: Duration) {
        self.first_bytes.cell(labels, route).add(after);
    }

    #[inline]
    pub(crate) fn end(&self, labels: Labels, route: Option<Route>, took: Duration, streamed: bool) {
        self.turnout(labels).ended.fetch_add(1, Release);
        if streamed {
            self.streams.cell(labels, route).fetch_add(1, Relaxed);
        } else {
            self.durations.cell(labels, route).add(took);
        }
    }

    #[inline]
    fn turnout(&self, labels: Labels) -> &Turnout {
        &self.turnout.mine()[labels.scheme() as usize][labels.method_code()]
    }

    /// How many requests are active, of each method and scheme that there has been.
    fn active(&self) -> impl Iterator<Item = (&'static str, Scheme, u64)> {
        let kinds = [Scheme::Http, Scheme::Https].into_iter().flat_map(|scheme| {
            METHODS.into_iter().enumerate().map(move |(code, method)| (scheme, code, method))
        });
        kinds.filter_map(|(scheme, code, method)| {
            let all = || self.turnout.iter().map(|shard| &shard[scheme as usize][code]);
            // What has ended is read first, so that nothing has ended which had not begun.
            let ended: u64 = all().map(|turnout| turnout.ended.load(Acquire)).sum();
            let begun: u64 = all().map(|turnout| turnout.begun.load(Relaxed)).sum();
            (begun > 0).then(|| (method, scheme, begun.saturating_sub(ended)))
        })
    }
}
