//! Additive increase, multiplicative decrease.

use super::controller::{Controller, Window};
use crate::ConfigError;

/// One more after a window in which all went well, a tenth less after one in which something went badly.
///
/// The rule of Chiu and Jain (1989) with the constants of Netflix's `AIMDLimit`. It sees nothing but failures, so it
/// finds the concurrency at which clients begin to give up, and stays there: far beyond the one that is best.
#[derive(Clone, Copy, Debug)]
pub struct Aimd {
    limit: f64,
    ceiling: f64,
}

impl Aimd {
    /// Starts from `start`, and never goes above `ceiling`.
    ///
    /// # Errors
    ///
    /// If the ceiling is 0 or more than 1,000,000, or the start is 0 or more than the ceiling.
    pub fn new(start: u32, ceiling: u32) -> Result<Self, ConfigError> {
        let (limit, ceiling) = ConfigError::check_start(start, ceiling)?;
        Ok(Self { limit, ceiling })
    }
}

impl Controller for Aimd {
    fn start(&self) -> u32 {
        self.limit as u32
    }

    fn on_window(&mut self, window: &Window) -> u32 {
        if window.bad > 0 {
            self.limit *= BACKOFF;
        } else if 2.0 * window.in_flight >= self.limit {
            self.limit += 1.0;
        }
        self.limit = self.limit.clamp(1.0, self.ceiling);
        self.limit as u32
    }
}

const BACKOFF: f64 = 0.9;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn window(in_flight: f64, bad: u64) -> Window {
        Window {
            elapsed: Duration::from_secs(1),
            limit: 10,
            in_flight,
            good: 100,
            bad,
            refused: 0,
            limited: 1.0,
            unhindered: Duration::ZERO,
        }
    }

    #[test]
    fn it_is_raised_by_one_from_half_full_on() {
        let mut law = Aimd::new(10, 12).unwrap();
        assert_eq!(law.on_window(&window(4.9, 0)), 10);
        assert_eq!(law.on_window(&window(5.0, 0)), 11);
        assert_eq!(law.on_window(&window(11.0, 0)), 12);
        assert_eq!(law.on_window(&window(12.0, 0)), 12, "the ceiling holds");
    }

    #[test]
    fn it_is_lowered_by_a_tenth_whether_one_failed_or_all() {
        for bad in [1, 100, u64::MAX] {
            assert_eq!(Aimd::new(10, 100).unwrap().on_window(&window(10.0, bad)), 9);
        }
    }
}
