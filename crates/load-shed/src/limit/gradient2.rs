//! A limit by the ratio of two averages of the response time.

use super::controller::{Controller, Window};
use crate::ConfigError;

/// Compares the response time with its own long average.
///
/// Netflix's `Gradient2Limit` with its constants, but for the lowest limit: 1 here, 20 there. A ratio to an average of
/// oneself cannot see a steady state that is bad: the average follows, and the limit rises to the ceiling if every call
/// times out alike (Netflix/concurrency-limits#137).
#[derive(Clone, Copy, Debug)]
pub struct Gradient2 {
    limit: f64,
    ceiling: f64,
    long: f64,
    windows: u32,
}

impl Gradient2 {
    /// Starts from `start`, and never goes above `ceiling`.
    ///
    /// # Errors
    ///
    /// If the ceiling is 0 or more than 1,000,000, or the start is 0 or more than the ceiling.
    pub fn new(start: u32, ceiling: u32) -> Result<Self, ConfigError> {
        let (limit, ceiling) = ConfigError::check_start(start, ceiling)?;
        Ok(Self { limit, ceiling, long: 0.0, windows: 0 })
    }

    /// An exponential average, and a plain one until there are [`WARM_UP`] windows.
    fn average(&mut self, response_time: f64) -> f64 {
        self.windows = self.windows.saturating_add(1);
        let weight =
            if self.windows <= WARM_UP { 1.0 / f64::from(self.windows) } else { 2.0 / (LONG_WINDOW + 1.0) };
        self.long += weight * (response_time - self.long);
        if self.long > 2.0 * response_time {
            self.long *= 0.95;
        }
        self.long
    }
}

impl Controller for Gradient2 {
    fn start(&self) -> u32 {
        self.limit as u32
    }

    fn on_window(&mut self, window: &Window) -> u32 {
        let response_time = window.response_time();
        if response_time.is_finite() && response_time > 0.0 {
            let long = self.average(response_time);
            if window.in_flight >= self.limit / 2.0 {
                let gradient = (TOLERANCE * long / response_time).clamp(0.5, 1.0);
                let target = self.limit * gradient + QUEUE;
                self.limit += SMOOTHING * (target - self.limit);
                self.limit = self.limit.clamp(1.0, self.ceiling);
            }
        }
        self.limit as u32
    }
}

const QUEUE: f64 = 4.0;
const TOLERANCE: f64 = 1.5;
const SMOOTHING: f64 = 0.2;
const LONG_WINDOW: f64 = 600.0;
const WARM_UP: u32 = 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn window(in_flight: f64, response_time: f64) -> Window {
        let good = (in_flight / response_time).round() as u64;
        Window {
            elapsed: Duration::from_secs(1),
            limit: 100,
            in_flight,
            good,
            bad: 0,
            refused: 0,
            limited: 1.0,
            unhindered: Duration::ZERO,
        }
    }

    #[test]
    fn up_to_one_and_a_half_times_the_average_raises_it_by_a_fifth_of_the_queue() {
        let mut law = Gradient2::new(100, 1000).unwrap();
        assert_eq!(law.on_window(&window(100.0, 0.1)), 100);
        // 100.8 after the first; the gradient stays 1.
        assert_eq!(law.on_window(&window(100.0, 0.1)), 101);
    }

    #[test]
    fn it_never_falls_by_more_than_a_tenth() {
        let mut law = Gradient2::new(100, 1000).unwrap();
        let before = (0..100).map(|_| law.on_window(&window(1000.0, 0.01))).last().unwrap();
        let after = law.on_window(&window(1000.0, 10.0));
        assert!(after < before && f64::from(after) >= 0.9 * f64::from(before), "{before} became {after}");
    }

    #[test]
    fn half_empty_it_holds() {
        let mut law = Gradient2::new(100, 1000).unwrap();
        assert_eq!(law.on_window(&window(49.9, 0.01)), 100);
    }
}
