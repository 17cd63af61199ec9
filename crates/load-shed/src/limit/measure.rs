//! Throughput, and how sure one can be of it.

use super::controller::Window;

/// How many completions of use there were in how many seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measure {
    good: f64,
    seconds: f64,
}

impl Measure {
    pub(super) fn of(window: &Window) -> Self {
        Self { good: window.good as f64, seconds: window.elapsed.as_secs_f64() }
    }

    pub(super) fn seconds(self) -> f64 {
        self.seconds
    }

    /// Completions a second. Half a completion is added, so that the logarithm of none is a number.
    pub(super) fn rate(self) -> f64 {
        (self.good + 0.5) / self.seconds
    }

    /// Both together.
    pub(super) fn and(self, other: Self) -> Self {
        Self { good: self.good + other.good, seconds: self.seconds + other.seconds }
    }

    /// What is left of it when something newer is known: the more of that, the less.
    pub(super) fn faded(self, newer: Self) -> Self {
        let kept = (-newer.good / MEMORY).exp();
        Self { good: self.good * kept, seconds: self.seconds * kept }
    }

    /// Whether there is enough left to count.
    pub(super) fn counts(self) -> bool {
        self.good > 1.0
    }
}

/// The variance of a count of completions, over its mean.
///
/// It is the squared coefficient of variation of the service time where all servers are busy. Lognormal ones have 0.28
/// (sigma 0.5) to 1.7 (sigma 1), exponential ones 1; so it is learned from counts of which it should be the only cause.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise(f64);

impl Default for Noise {
    fn default() -> Self {
        Self(LEAST_NOISE)
    }
}

impl Noise {
    /// The variance of the logarithm of a rate.
    pub(super) fn variance(self, of: Measure) -> f64 {
        self.0 / (of.good + 0.5)
    }

    /// From two measures at the same limit, if the second one is enough to compare with.
    pub(super) fn learn(&mut self, seen: Measure, base: Measure) {
        if base.good >= ENOUGH {
            let change = seen.rate().ln() - base.rate().ln();
            let one = Self(1.0);
            let strangeness = change.powi(2) / (one.variance(seen) + one.variance(base));
            self.0 += LEARNING * (strangeness.min(STRANGE) - self.0);
            self.0 = self.0.clamp(LEAST_NOISE, MOST_NOISE);
        }
    }
}

const ENOUGH: f64 = 32.0;
/// After how many completions most is forgotten.
const MEMORY: f64 = 3000.0;
/// What says so much of the noise is more likely another capacity.
const STRANGE: f64 = 6.0;
const LEARNING: f64 = 0.05;
const LEAST_NOISE: f64 = 0.3;
const MOST_NOISE: f64 = 2.0;

#[cfg(test)]
mod tests {
    use super::*;

    /// The noise that is learned where every other window has `more` completions than the rest.
    fn learned(more: f64) -> f64 {
        let mut noise = Noise::default();
        for window in 0..1000 {
            let good = if window % 2 == 0 { 40.0 - more } else { 40.0 + more };
            noise.learn(Measure { good, seconds: 0.05 }, Measure { good: 400.0, seconds: 0.5 });
        }
        noise.0
    }

    #[test]
    fn noise_is_learned_within_bounds() {
        assert!((learned(0.0) - LEAST_NOISE).abs() < 1e-9);
        // So far from the mean is one of forty, on average, where they come by chance alone.
        assert!((0.9..1.1).contains(&learned(6.5)), "{}", learned(6.5));
        assert!((learned(20.0) - MOST_NOISE).abs() < 1e-9);
    }
}
