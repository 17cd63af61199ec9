//! A step to one side, to see what it does to throughput.

/// The probes in one direction, and what they have shown so far.
#[derive(Debug)]
pub(super) struct Probe {
    /// By which factor the next one goes.
    pub(super) ratio: f64,
    /// Of the elasticities seen, each weighed by how sure it was.
    sum: f64,
    weight: f64,
    /// Seconds from the last to the next.
    gap: f64,
    /// Seconds since the last.
    since: f64,
}

/// An elasticity: by what power of the concurrency the throughput grows. 1 below the knee of a pool, 0 above it, and
/// negative where contention makes more do less.
#[derive(Clone, Copy, Debug)]
pub(super) struct Elasticity {
    pub(super) mean: f64,
    /// Its standard deviation.
    pub(super) deviation: f64,
}

impl Probe {
    pub(super) fn new(ratio: f64) -> Self {
        Self { ratio, sum: 0.0, weight: 0.0, gap: 0.0, since: 0.0 }
    }

    /// Forgets what was seen: the limit is another.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.ratio);
    }

    pub(super) fn pass(&mut self, seconds: f64) {
        self.since += seconds;
    }

    /// For how long the next one is due, in seconds; negative if it is not yet.
    pub(super) fn overdue(&self) -> f64 {
        self.since - self.gap
    }

    /// What the probes have shown with this one, of which the last ten or so count.
    pub(super) fn weigh(&mut self, one: Elasticity) -> Elasticity {
        let weight = 1.0 / (one.deviation * one.deviation);
        self.sum = FORGETTING * self.sum + weight * one.mean;
        self.weight = FORGETTING * self.weight + weight;
        Elasticity { mean: self.sum / self.weight, deviation: self.weight.sqrt().recip() }
    }

    /// Puts the next one off so far that probes of `seconds` which cost the share `price` of the throughput cost
    /// [`BUDGET`] on average; but not so far at once, since one of them may have been bad luck.
    pub(super) fn put_off(&mut self, seconds: f64, price: f64, longest: f64) {
        let worth = (seconds * price.max(0.0) / BUDGET).min(longest).max(SHORTEST_GAP);
        self.gap = worth.min((PATIENCE * seconds).max(2.0 * self.gap));
        self.since = 0.0;
    }
}

impl Elasticity {
    pub(super) fn of(change: f64, deviation: f64, ratio: f64) -> Self {
        let ln = ratio.ln();
        Self { mean: change / ln, deviation: deviation / ln.abs() }
    }

    /// Whether it is higher by more than `certainty` standard deviations.
    pub(super) fn exceeds(self, threshold: f64, certainty: f64) -> bool {
        self.mean - threshold > certainty * self.deviation
    }

    /// Whether it is lower by more than `certainty` standard deviations.
    pub(super) fn is_under(self, threshold: f64, certainty: f64) -> bool {
        threshold - self.mean > certainty * self.deviation
    }
}

const FORGETTING: f64 = 0.9;
/// The share of the throughput that probes in one direction may cost.
const BUDGET: f64 = 0.004;
/// The least seconds between two probes.
const SHORTEST_GAP: f64 = 0.2;
/// How many times its own length the first one is put off by at most.
const PATIENCE: f64 = 30.0;
