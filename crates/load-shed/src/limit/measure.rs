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

    /// Whether there is enough to compare with.
    pub(super) fn is_enough(self) -> bool {
        self.good >= ENOUGH
    }

    pub(super) fn seconds(self) -> f64 {
        self.seconds
    }

    /// Completions a second. Half a completion is added, so that the logarithm of none is a number.
    pub(super) fn rate(self) -> f64 {
        (self.good + 0.5) / self.seconds
    }

    /// Both together; of what is older than [`MEMORY`] completions, less and less.
    pub(super) fn and(self, other: Self) -> Self {
        let good = self.good + other.good;
        let share = (MEMORY / good).min(1.0);
        Self { good: good * share, seconds: (self.seconds + other.seconds) * share }
    }

    /// By how much this rate is above `base`, as a logarithm, and the standard deviation of that.
    pub(super) fn against(self, base: Self) -> (f64, f64) {
        let change = self.rate().ln() - base.rate().ln();
        (change, (NOISE * (1.0 / (self.good + 0.5) + 1.0 / (base.good + 0.5))).sqrt())
    }
}

const ENOUGH: f64 = 32.0;
const MEMORY: f64 = 400.0;
/// The variance of a count of completions, over its mean: it is the squared coefficient of variation of the service
/// time where all servers are busy. Lognormal ones have 0.28 (sigma 0.5) to 1.7 (sigma 1), exponential ones 1.
const NOISE: f64 = 0.4;
