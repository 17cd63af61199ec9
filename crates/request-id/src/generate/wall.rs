//! The wall clock, told from instants that somebody has read already.

use std::time::Duration;

use tokio::time::Instant;

/// An instant at which the wall clock was read, and what it said.
///
/// The request's arrival was a look at the clock; another one for its id would cost as much as the rest of the id.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wall {
    read: Option<(Instant, Duration)>,
}

impl Wall {
    /// What the wall clock said at `instant`, since 1970. It is read anew once a second, so that is how long a clock
    /// that was set goes unnoticed; an instant before the last reading is taken for that.
    pub(super) fn at(&mut self, instant: Instant, read: impl FnOnce() -> Duration) -> Duration {
        if let Some((at, said)) = self.read {
            let passed = instant.saturating_duration_since(at);
            if passed < GOOD_FOR {
                return said + passed;
            }
        }
        let said = read();
        self.read = Some((instant, said));
        said
    }
}

const GOOD_FOR: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_clock_is_read_once_a_second_and_not_a_tick_before() {
        let (start, mut wall) = (Instant::now(), Wall::default());
        assert_eq!(wall.at(start, || secs(1000)), secs(1000));
        let not_read = || unreachable!("it is not read");
        assert_eq!(wall.at(start + GOOD_FOR - TICK, not_read), secs(1001) - TICK);
        assert_eq!(wall.at(start + GOOD_FOR, || secs(5000)), secs(5000), "it was set meanwhile");
        assert_eq!(wall.at(start + GOOD_FOR + TICK, not_read), secs(5000) + TICK);
    }

    #[test]
    fn a_request_that_waited_since_before_the_reading_gets_the_readings_time() {
        let (start, mut wall) = (Instant::now(), Wall::default());
        wall.at(start + secs(1), || secs(1000));
        assert_eq!(wall.at(start, || unreachable!("it is not read")), secs(1000));
    }
}
