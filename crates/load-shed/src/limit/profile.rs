//! What throughput was seen at which limit.

use super::measure::{Measure, Noise};

/// The throughput at each limit that was tried of late.
#[derive(Debug, Default)]
pub(super) struct Profile {
    seen: Vec<(f64, Measure)>,
    /// Seconds that a request takes when few are in its way, if that is known.
    unhindered: Option<f64>,
    is_doubtful: bool,
}

/// What was seen at one limit, in logarithms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    pub(super) limit: f64,
    pub(super) rate: f64,
    /// How sure that is: the inverse of its variance.
    pub(super) weight: f64,
}

impl Profile {
    /// Forgets what was seen: this was another capacity.
    pub(super) fn forget(&mut self) {
        self.seen.clear();
    }

    /// How long one takes may be another since.
    pub(super) fn doubt(&mut self) {
        self.is_doubtful = true;
    }

    /// Adds it to what was seen at this limit. The more is new, the less counts what is old.
    pub(super) fn add(&mut self, limit: f64, seen: Measure) {
        for (_, old) in &mut self.seen {
            *old = old.faded(seen);
        }
        self.seen.retain(|(_, old)| old.counts());
        match self.seen.iter_mut().find(|(at, _)| at.total_cmp(&limit).is_eq()) {
            Some((_, measure)) => *measure = measure.and(seen),
            None => self.seen.push((limit, seen)),
        }
    }

    pub(super) fn unhindered(&self) -> Option<f64> {
        self.unhindered
    }

    pub(super) fn set_unhindered(&mut self, seconds: f64) {
        (self.unhindered, self.is_doubtful) = (Some(seconds), false);
    }

    /// How likely a throughput of one alone is, as logarithms. It is hardly less than the first few made each, who may
    /// have been in each other's way.
    pub(super) fn likelihood_of_one(&self, rate: f64) -> f64 {
        let Some(seconds) = self.unhindered else { return 0.0 };
        let missing = (-seconds.ln() - rate).max(0.0);
        let deviation = if self.is_doubtful { SLOWER_NOW } else { SLOWER };
        (-0.5 * (missing / deviation).powi(2)).max(-MOST_UNLIKELY)
    }

    pub(super) fn at(&self, limit: f64) -> Measure {
        let same = self.seen.iter().find(|(at, _)| at.total_cmp(&limit).is_eq());
        same.map_or_else(Measure::default, |(_, measure)| *measure)
    }

    /// The highest limit that was tried.
    pub(super) fn highest(&self) -> Option<f64> {
        self.seen.iter().map(|(at, _)| *at).max_by(f64::total_cmp)
    }

    pub(super) fn points(&self, noise: Noise) -> Vec<Point> {
        let point = |&(limit, seen): &(f64, Measure)| Point {
            limit: limit.ln(),
            rate: seen.rate().ln(),
            weight: (noise.variance(seen) + MISFIT * MISFIT).recip(),
        };
        self.seen.iter().map(point).collect()
    }
}

/// How far what is measured may be from a curve, as a logarithm, since none is quite true.
const MISFIT: f64 = 0.015;
/// The least likelihood, as a logarithm: what contradicts it long enough is believed in the end.
const MOST_UNLIKELY: f64 = 6.0;
/// How far one alone may be below what the first few made, as a logarithm: they were few; and when the capacity has
/// changed since, so may have the work.
const SLOWER: f64 = 0.25;
const SLOWER_NOW: f64 = 0.75;
