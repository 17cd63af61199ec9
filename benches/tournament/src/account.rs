//! What became of each request.

use std::{ops::Range, time::Duration};

use hdrhistogram::Histogram;

use crate::schedule::Client;

/// How a request ended, as its client saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answered by 200.
    Served,
    /// Answered by 503.
    Shed,
    /// Not answered while its client still waited, or not at all.
    GaveUp,
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// Whose it was.
    pub client: Client,
    /// When it was due, from the start of the run.
    pub due: Duration,
    /// From then to its end.
    pub latency: Duration,
    /// How it ended.
    pub verdict: Verdict,
}

impl Record {
    fn ended(&self) -> Duration {
        self.due + self.latency
    }

    /// Served, and to somebody who still waited.
    fn is_good(&self) -> bool {
        self.verdict == Verdict::Served && self.latency <= PATIENCE
    }
}

/// All requests of a run to one arm.
#[derive(Clone, Debug, Default)]
pub struct Account {
    records: Vec<Record>,
}

/// A part of a run, from its start.
pub type Span = Range<Duration>;

impl Account {
    /// Of these requests, in any order.
    pub fn new(records: Vec<Record>) -> Self {
        Self { records }
    }

    /// Those of one client only.
    pub fn of(&self, client: Client) -> Self {
        Self { records: self.records.iter().filter(|record| record.client == client).copied().collect() }
    }

    /// How many requests were due in `span`.
    pub fn offered(&self, span: &Span) -> usize {
        self.due(span).count()
    }

    /// How many of those due in `span` ended so.
    pub fn count(&self, span: &Span, verdict: Verdict) -> usize {
        self.due(span).filter(|record| record.verdict == verdict).count()
    }

    /// Good answers a second, by the time of the answer: what a plant that is overloaded achieves.
    pub fn goodput(&self, span: &Span) -> f64 {
        let good = self.records.iter().filter(|record| record.is_good() && span.contains(&record.ended()));
        good.count() as f64 / (span.end - span.start).as_secs_f64()
    }

    /// The part of those due in `span` that was answered well: what clients see where there is room for all.
    pub fn good_share(&self, span: &Span) -> f64 {
        share(self.due(span).filter(|record| record.is_good()).count(), self.offered(span))
    }

    /// The part of those due in `span` that was refused.
    pub fn shed_share(&self, span: &Span) -> f64 {
        share(self.count(span, Verdict::Shed), self.offered(span))
    }

    /// A quantile of the latency of what was admitted of those due in `span`; who gave up counts with the time that
    /// he waited. `None` where nothing was admitted.
    pub fn latency(&self, span: &Span, quantile: f64) -> Option<Duration> {
        let mut histogram = histogram();
        for record in self.due(span).filter(|record| record.verdict != Verdict::Shed) {
            histogram.saturating_record(record.latency.as_micros() as u64);
        }
        (!histogram.is_empty()).then(|| Duration::from_micros(histogram.value_at_quantile(quantile)))
    }

    /// From `from` until half a second begins whose goodput is at least `goodput` and whose p99 is at most `p99`; looked
    /// at every 20 ms until `until`. `None` where there is none.
    pub fn settles(&self, from: Duration, until: Duration, goodput: f64, p99: Duration) -> Option<Duration> {
        let mut at = from;
        while at + SETTLED <= until {
            let span = at..at + SETTLED;
            let in_bounds = self.latency(&span, 0.99).is_some_and(|latency| latency <= p99);
            if in_bounds && self.goodput(&span) >= goodput {
                return Some(at - from);
            }
            at += LOOK;
        }
        None
    }

    fn due(&self, span: &Span) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(move |record| span.contains(&record.due))
    }
}

/// Of microseconds, to the third digit; what takes longer than a minute counts as a minute.
pub(crate) fn histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are valid")
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// How long a client waits for its answer, from the instant at which it should have sent its request.
pub const PATIENCE: Duration = Duration::from_millis(500);

const SETTLED: Duration = Duration::from_millis(500);
const LOOK: Duration = Duration::from_millis(20);
