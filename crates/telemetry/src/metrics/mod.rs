//! What is measured of every request, by OpenTelemetry's conventions for HTTP servers.

mod exemplar;
mod exposition;
mod histogram;
mod labels;
mod list;
mod place;
mod series;
mod text;

use std::{sync::Arc, time::Duration};

use macadam_core::{Outcomes, Route, Sharded, Share};

pub(crate) use self::{exemplar::Exemplar, labels::Labels, series::Identity};
use self::{
    exemplar::{Exemplars, Turns},
    histogram::{Cell, Sum},
    labels::METHODS,
    series::{Cells, Series},
};
pub use self::{
    exposition::Exposition,
    histogram::BOUNDS,
    labels::{ErrorType, Scheme},
    text::Format,
};
use crate::{
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed},
    },
    trace::Trace,
};

/// The metrics of one layer. Clones are one.
#[derive(Clone)]
pub(crate) struct Metrics {
    shared: Arc<Shared>,
    holds: Sharded<Recorder>,
}

/// What all threads share.
struct Shared {
    series: Series,
    outcomes: Outcomes,
    tallies: Sharded<Tally>,
    /// Of the durations.
    exemplars: Cells<Exemplars>,
    turns: Turns,
}

/// One series of a histogram, all threads together, as it is now.
pub(crate) struct Point<'a> {
    /// None of what is beyond the limit.
    pub(crate) identity: Option<&'a Identity>,
    pub(crate) sum: Sum,
    exemplars: Option<&'a Exemplars>,
}

/// What a request holds of the metrics: through that of the thread where it began, whose reference count no other thread
/// writes meanwhile, it reaches the tally of the thread where it is.
pub(crate) struct Recorder(Arc<Shared>);

/// One thread's part, which no other writes.
struct Tally {
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
        let tally = || Tally {
            turnout: Default::default(),
            durations: Cells::new(),
            first_bytes: Cells::new(),
            streams: Cells::new(),
        };
        let (series, outcomes, tallies) = (Series::new(), Outcomes::new(), Sharded::new(tally));
        let (exemplars, turns) = (Cells::new(), Turns::new());
        let shared = Arc::new(Shared { series, outcomes, tallies, exemplars, turns });
        let holds = Sharded::new({
            let shared = Arc::clone(&shared);
            move || Recorder(Arc::clone(&shared))
        });
        Self { shared, holds }
    }

    /// For a request that begins on this thread.
    #[inline]
    pub(crate) fn recorder(&self) -> Arc<Share<Recorder>> {
        self.holds.mine().hold()
    }

    pub(crate) fn outcomes(&self) -> &Outcomes {
        &self.shared.outcomes
    }

    /// How long the requests of each series took; of those that have any. From now on their buckets are open to other exemplars.
    pub(crate) fn durations(&self) -> impl Iterator<Item = Point<'_>> {
        self.shared.turns.next();
        self.points(|tally| &tally.durations, |number| self.shared.exemplars.read(number))
    }

    /// The same to the response's head, without exemplars.
    pub(crate) fn first_bytes(&self) -> impl Iterator<Item = Point<'_>> {
        self.points(|tally| &tally.first_bytes, |_| None)
    }

    fn points<'a>(
        &'a self,
        cells: impl Fn(&Tally) -> &Cells<Cell>,
        exemplars: impl Fn(usize) -> Option<&'a Exemplars>,
    ) -> impl Iterator<Item = Point<'a>> {
        self.shared.series.iter().filter_map(move |(number, identity)| {
            let sum = Sum::of(self.shared.tallies.iter().filter_map(|tally| cells(tally).read(number)));
            (sum.count() > 0).then(|| Point { identity, sum, exemplars: exemplars(number) })
        })
    }

    /// How many responses of each series went on for as long as their client liked; of those that have any.
    pub(crate) fn streams(&self) -> impl Iterator<Item = (Option<&Identity>, u64)> {
        self.shared.series.iter().filter_map(|(number, identity)| {
            let cells = self.shared.tallies.iter().filter_map(|tally| tally.streams.read(number));
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
            let all = || self.shared.tallies.iter().map(|tally| &tally.turnout[scheme as usize][code]);
            // What has ended is read first, so that nothing has ended which had not begun.
            let ended: u64 = all().map(|turnout| turnout.ended.load(Acquire)).sum();
            let begun: u64 = all().map(|turnout| turnout.begun.load(Relaxed)).sum();
            (begun > 0).then(|| (method, scheme, begun.saturating_sub(ended)))
        })
    }
}

impl Point<'_> {
    /// A request in this bucket.
    pub(crate) fn exemplar(&self, bucket: usize) -> Option<Exemplar> {
        self.exemplars?.read(bucket)
    }
}

impl Recorder {
    #[inline]
    pub(crate) fn begin(&self, labels: Labels) {
        let tally = self.0.tallies.mine();
        tally.add(&tally.turnout(labels).begun, 1);
    }

    #[inline]
    pub(crate) fn first_byte(&self, labels: Labels, route: Option<Route>, after: Duration) {
        let tally = self.0.tallies.mine();
        tally.first_bytes.get(self.0.series.number(labels, route)).add(after, &tally);
    }

    /// `trace` is that of a request which can be looked up.
    #[inline]
    pub(crate) fn end(
        &self,
        labels: Labels,
        route: Option<Route>,
        took: Duration,
        streamed: bool,
        trace: Option<Trace>,
    ) {
        let tally = self.0.tallies.mine();
        tally.add(&tally.turnout(labels).ended, 1);
        let number = self.0.series.number(labels, route);
        if streamed {
            tally.add(tally.streams.get(number), 1);
        } else {
            let bucket = tally.durations.get(number).add(took, &tally);
            if let Some(trace) = trace {
                self.0.exemplars.get(number).offer(bucket, self.0.turns.now(), trace, took);
            }
        }
    }

    pub(crate) fn outcomes(&self) -> &Outcomes {
        &self.0.outcomes
    }
}

impl Tally {
    #[inline]
    fn turnout(&self, labels: Labels) -> &Turnout {
        &self.turnout[labels.scheme() as usize][labels.method_code()]
    }
}
