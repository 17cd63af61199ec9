//! Downstreams that are no pool.

use super::{Stand, first};
use crate::{backend::Change, law::Law};

/// What came of a downstream that became slow, and has room for everybody all the same.
#[derive(Clone, Copy, Debug)]
pub struct Slowdown {
    /// The share of those sent in the 20 s from then on that were served in time.
    pub served: f64,
    /// Until 95 % of those sent are, for a second; in seconds, and infinite if never.
    pub back: f64,
}

impl Stand {
    /// After 10 s at the whole rate each request takes `times` as long. What has to be in flight then is so many times
    /// as much, by Little's law.
    #[must_use]
    pub fn slowdown(&self, times: f64, law: Law, seed: u64) -> Slowdown {
        let record = self.run(&[(30.0, 1.0)], &[(10.0, Change::Slowness(times))], law, seed);
        let served = |from: f64, to: f64| {
            let sum = record.sum(from, to);
            sum.good / sum.offered
        };
        let back = first(10.0, 29.0, |t| served(t, t + 1.0) >= 0.95) - 10.0;
        Slowdown { served: served(10.0, 30.0), back }
    }
}
