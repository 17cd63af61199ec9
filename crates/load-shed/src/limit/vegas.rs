//! A limit by the queue that response times tell of.

use super::controller::{Controller, Window};
use crate::ConfigError;

/// Estimates how many of those in flight wait, by comparing the response time with the best one seen.
///
/// Brakmo's and Peterson's TCP Vegas (1994) with the constants of Netflix's `VegasLimit`, on windows instead of single
/// samples. The best response time is taken anew every thirty limits' worth of completions, under whatever load there
/// is then: from under a steady overload the queue becomes the baseline, and the limit rises again.
#[derive(Clone, Copy, Debug)]
pub struct Vegas {
    limit: f64,
    ceiling: f64,
    best: f64,
    /// Completions since the best response time was taken.
    completed: f64,
}

impl Vegas {
    /// Starts from `start`, and never goes above `ceiling`.
    ///
    /// # Errors
    ///
    /// If the ceiling is 0 or more than 1,000,000, or the start is 0 or more than the ceiling.
    pub fn new(start: u32, ceiling: u32) -> Result<Self, ConfigError> {
        let (limit, ceiling) = ConfigError::check_start(start, ceiling)?;
        Ok(Self { limit, ceiling, best: f64::INFINITY, completed: 0.0 })
    }
}

impl Controller for Vegas {
    fn start(&self) -> u32 {
        self.limit as u32
    }

    fn on_window(&mut self, window: &Window) -> u32 {
        let response_time = window.response_time();
        if response_time.is_finite() && response_time > 0.0 {
            self.completed += window.good as f64 + window.bad as f64;
            if self.completed >= PROBE * self.limit {
                self.completed = 0.0;
                self.best = response_time;
            } else if response_time < self.best {
                self.best = response_time;
            } else {
                self.step(response_time, window);
            }
        }
        self.limit as u32
    }
}

impl Vegas {
    fn step(&mut self, response_time: f64, window: &Window) {
        let unit = self.limit.log10().floor().max(1.0);
        let queue = (self.limit * (1.0 - self.best / response_time)).ceil();
        if window.bad > 0 {
            self.limit -= unit;
        } else if 2.0 * window.in_flight < self.limit {
            return;
        } else if queue <= unit {
            self.limit += BETA * unit;
        } else if queue < ALPHA * unit {
            self.limit += unit;
        } else if queue > BETA * unit {
            self.limit -= unit;
        }
        self.limit = self.limit.clamp(1.0, self.ceiling);
    }
}

const ALPHA: f64 = 3.0;
const BETA: f64 = 6.0;
/// After how many limits' worth of completions the best response time is taken anew: 30, of which the source draws
/// a half to the whole at random.
const PROBE: f64 = 0.75 * 30.0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A window in which a request took `response_time` seconds.
    fn window(limit: u32, response_time: f64, bad: u64) -> Window {
        let in_flight = f64::from(limit);
        let completed = (100.0 * in_flight / response_time) as u64;
        Window {
            elapsed: Duration::from_secs(100),
            limit,
            in_flight,
            good: completed - bad,
            bad,
            refused: 0,
            limited: 1.0,
            unhindered: Duration::ZERO,
        }
    }

    /// A law whose limit is 20 and whose best response time is 1 s.
    fn law() -> Vegas {
        let mut law = Vegas { completed: -1e6, ..Vegas::new(20, 100).unwrap() };
        assert_eq!(law.on_window(&window(20, 1.0, 0)), 20, "the first window is the baseline");
        law
    }

    #[test]
    fn its_step_depends_on_the_estimated_queue() {
        // Of 20 in flight 20 (1 - 1/rtt) wait.
        assert_eq!(law().on_window(&window(20, 1.05, 0)), 26, "one waits");
        assert_eq!(law().on_window(&window(20, 1.1, 0)), 21, "two wait");
        assert_eq!(law().on_window(&window(20, 1.25, 0)), 20, "four wait");
        assert_eq!(law().on_window(&window(20, 2.0, 0)), 19, "ten wait");
    }

    #[test]
    fn a_failure_lowers_it_and_idleness_holds_it() {
        assert_eq!(law().on_window(&window(20, 1.05, 1)), 19);
        let idle = Window { in_flight: 9.9, good: 940, ..window(20, 1.05, 0) };
        assert_eq!(law().on_window(&idle), 20);
    }

    #[test]
    fn a_window_without_completions_changes_nothing() {
        assert_eq!(law().on_window(&Window { good: 0, ..window(20, 1.0, 0) }), 20);
    }
}
