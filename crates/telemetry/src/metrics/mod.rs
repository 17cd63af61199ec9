//! What is measured of every request, by OpenTelemetry's conventions for HTTP servers.

mod histogram;
mod labels;
mod series;
mod text;

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    time::Duration,
};

use macadam_core::{Outcomes, Route, Sharded, Share};

pub(crate) use self::labels::Labels;
pub use self::{
    histogram::BOUNDS,
    labels::{ErrorType, Scheme},
    text::{Exposition, Format},
};
use self::{
    histogram::Cell,
    labels::METHODS,
    series::{Cells, Series},
};
pub(crate) use self::{histogram::Sum, series::Identity};

/// The metrics of one layer. Clones are one.
#[derive(Clone)]
pub(crate) struct Metrics {
    recorders: Sharded<Recorder>,
    shared: Arc<Shared>,
}

/// What the threads share.
pub(crate) struct Shared {
    series: Series,
    pub(crate) outcomes: Outcomes,
}

/// One thread's part. A request writes to that of the thread where it began, wherever it goes.
pub(crate) struct Recorder {
    pub(crate) shared: Arc<Shared>,
    turnout: [[Turnout; METHODS.len()]; 2],
    /// From the arrival to the end.
    durations: Cells<Cell>,
    /// From the arrival to the response's head.
    first_bytes: Cells<Cell>,
    /// Responses that went on for as long as their client liked: how long that was says nothing of the service.
    streams: Cells<AtomicU64>,
}

/// Of one method and scheme.
#[derive(Default)]
struct Turnout {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let shared = Arc::new(Shared { series: Series::new(), outcomes: Outcomes::new() });
        let of_all = Arc::clone(&shared);
        let recorder = move || Recorder {
            shared: Arc::clone(&of_all),
            turnout: Default::default(),
            durations: Cells::new(),
            first_bytes: Cells::new(),
            streams: Cells::new(),
        };
        Self { recorders: Sharded::new(recorder), shared }
    }

    /// This thread's.
    #[inline]
    pub(crate) fn recorder(&self) -> Arc<Share<Recorder>> {
        self.recorders.mine().hold()
    }

    pub(crate) fn outcomes(&self) -> &Outcomes {
        &self.shared.outcomes
    }

    /// How long the requests of each series took, all threads together; of those that have any.
    pub(crate) fn durations(&self) -> impl Iterator<Item = (Option<&Identity>, Sum)> {
        self.sums(|recorder| &recorder.durations)
    }

    /// The same to the response's head.
    pub(crate) fn first_bytes(&self) -> impl Iterator<Item = (Option<&Identity>, Sum)> {
        self.sums(|recorder| &recorder.first_bytes)
    }

    fn sums(
        &self,
        cells: impl Fn(&Recorder) -> &Cells<Cell>,
    ) -> impl Iterator<Item = (Option<&Identity>, Sum)> {
        self.shared.series.iter().filter_map(move |(number, identity)| {
            let sum = Sum::of(self.recorders.iter().filter_map(|recorder| cells(recorder).read(number)));
            (sum.count() > 0).then_some((identity, sum))
        })
    }

    /// How many responses of each series went on for as long as their client liked; of those that have any.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (Option<&Identity>, u64)> {
        self.shared.series.iter().filter_map(|(number, identity)| {
            let cells = self.recorders.iter().filter_map(|recorder| recorder.streams.read(number));
            let count = cells.map(|cell| cell.load(Relaxed)).sum();
            (count > 0).then_some((identity, count))
        })
    }

    /// How many requests are active, of each method and scheme that there has been.
    pub(crate) fn active(&self) -> impl Iterator<Item = (&'static str, Scheme, u64)> {
        let kinds = [Scheme::Http, Scheme::Https].into_iter().flat_map(|scheme| {
            METHODS.into_iter().enumerate().map(move |(code, method)| (scheme, code, method))
        });
        kinds.filter_map(|(scheme, code, method)| {
            let all = || self.recorders.iter().map(|recorder| &recorder.turnout[scheme as usize][code]);
            // What has ended is read first, so that nothing has ended which had not begun.
            let ended: u64 = all().map(|turnout| turnout.ended.load(Acquire)).sum();
            let begun: u64 = all().map(|turnout| turnout.begun.load(Relaxed)).sum();
            (begun > 0).then(|| (method, scheme, begun.saturating_sub(ended)))
        })
    }
}

impl Recorder {
    #[inline]
    pub(crate) fn begin(&self, labels: Labels) {
        self.turnout(labels).begun.fetch_add(1, Relaxed);
    }

    #[inline]
    pub(crate) fn first_byte(&self, labels: Labels, route: Option<Route>, after: Duration) {
        self.first_bytes.get(self.shared.series.number(labels, route)).add(after);
    }

    #[inline]
    pub(crate) fn end(&self, labels: Labels, route: Option<Route>, took: Duration, streamed: bool) {
        self.turnout(labels).ended.fetch_add(1, Release);
        let number = self.shared.series.number(labels, route);
        if streamed {
            self.streams.get(number).fetch_add(1, Relaxed);
        } else {
            self.durations.get(number).add(took);
        }
    }

    #[inline]
    fn turnout(&self, labels: Labels) -> &Turnout {
        &self.turnout[labels.scheme() as usize][labels.method_code()]
    }
}
