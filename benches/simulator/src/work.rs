//! How much work a request is.

use crate::random::Random;

/// The distribution of the time that a request takes when it is alone, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Work {
    /// Lognormal; `sigma` is the standard deviation of its logarithm. With 0.5 the 99th percentile is 2.8 means.
    Lognormal {
        /// In seconds.
        mean: f64,
        /// Of the logarithm.
        sigma: f64,
    },
    /// Lognormal with a sigma of 0.5, but for a share of requests that take several times as long.
    Mixed {
        /// Of all requests together, in seconds.
        mean: f64,
        /// The share of the slow ones, from 0 to 1.
        slow: f64,
        /// How many times slower they are.
        times: f64,
    },
    /// Exponential.
    Exponential {
        /// In seconds.
        mean: f64,
    },
}

impl Work {
    /// Lognormal with a sigma of 0.5.
    #[must_use]
    pub fn lognormal(mean: f64) -> Self {
        Self::Lognormal { mean, sigma: 0.5 }
    }

    /// The mean, in seconds.
    #[must_use]
    pub fn mean(self) -> f64 {
        let (Self::Lognormal { mean, .. } | Self::Mixed { mean, .. } | Self::Exponential { mean }) = self;
        mean
    }

    pub(crate) fn draw(self, random: &mut Random) -> f64 {
        match self {
            Self::Lognormal { mean, sigma } => mean * (sigma * random.normal() - sigma * sigma / 2.0).exp(),
            Self::Mixed { mean, slow, times } => {
                let quick = mean / (1.0 - slow + slow * times);
                let mean = if random.uniform() < slow { quick * times } else { quick };
                Self::lognormal(mean).draw(random)
            }
            Self::Exponential { mean } => mean * random.exponential(),
        }
    }
}
