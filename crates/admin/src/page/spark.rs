//! A minute as a line.

use std::fmt::Write;

use crate::history::{Requests, Second};

/// A line through the last minute, 120 wide and 30 high.
pub(super) struct Spark {
    /// The points of a `polyline`: the latest at the right, the highest at the top.
    pub(super) points: String,
    /// How high the top is.
    pub(super) top: f64,
}

impl Requests {
    pub(super) fn rate_line(&self) -> Spark {
        Spark::through(&self.seconds, |second| second.per_second)
    }

    pub(super) fn trouble_line(&self) -> Spark {
        Spark::through(&self.seconds, |second| second.shed_per_second + second.failed_per_second)
    }

    pub(super) fn p99_line(&self) -> Spark {
        Spark::through(&self.seconds, |second| second.p99_ms.unwrap_or(0.0))
    }
}

impl Spark {
    fn through(seconds: &[Second], value: fn(&Second) -> f64) -> Self {
        let top = seconds.iter().map(value).fold(0.0, f64::max);
        let left = 120 - 2 * seconds.len();
        let mut points = String::new();
        for (n, second) in seconds.iter().enumerate() {
            let height = if top > 0.0 { value(second) / top } else { 0.0 };
            // It does not fail: a string grows.
            let _ = write!(points, "{},{:.1} ", left + 2 * n, 29.0 - 28.0 * height);
        }
        Self { points, top }
    }
}
