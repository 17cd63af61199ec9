//! Strictly increasing moments out of a clock that may stand still or run backwards.

/// A moment: milliseconds of Unix time, and a count of 12 bits within them. In that order it only ever grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tick {
    pub(super) ms: u64,
    pub(super) count: u16,
}

impl Tick {
    /// The moment to use next, where the clock says `now_ms`.
    ///
    /// RFC 9562, 6.2, method 1. In a new millisecond the count starts at random in its lower half, so that it says
    /// little of how busy the service is and still has 2,048 steps to go. When they are used up, or the clock went
    /// backwards, the time is the last one's or its successor: ahead of the clock, and in order.
    pub(super) fn next(self, now_ms: u64, random: u16) -> Self {
        let start = random & (COUNT_MAX >> 1);
        if now_ms > self.ms {
            Self { ms: now_ms, count: start }
        } else if self.count < COUNT_MAX {
            Self { ms: self.ms, count: self.count + 1 }
        } else {
            Self { ms: self.ms + 1, count: start }
        }
    }
}

pub(super) const COUNT_MAX: u16 = (1 << 12) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_millisecond_starts_the_count_in_its_lower_half() {
        let last = Tick { ms: 41, count: COUNT_MAX };
        assert_eq!(last.next(42, 0xffff), Tick { ms: 42, count: 2047 });
        assert_eq!(last.next(42, 0xf800), Tick { ms: 42, count: 0 });
    }

    #[test]
    fn within_a_millisecond_the_count_goes_up_by_one() {
        assert_eq!(Tick { ms: 42, count: 7 }.next(42, 0xffff), Tick { ms: 42, count: 8 });
    }

    #[test]
    fn a_full_count_carries_into_the_milliseconds() {
        assert_eq!(Tick { ms: 42, count: COUNT_MAX }.next(42, 3), Tick { ms: 43, count: 3 });
    }

    #[test]
    fn a_clock_that_runs_backwards_keeps_the_order() {
        let mut last = Tick { ms: 1_000_000, count: 0 };
        for step in 0..10_000 {
            let next = last.next(999_999 - step, 0xffff);
            assert!(next > last, "{next:?} after {last:?}");
            last = next;
        }
        // 10,000 steps of a count that starts at 2,047 at worst: five carries, no more.
        assert!(last.ms <= 1_000_005, "{last:?}");
        assert_eq!(last.next(2_000_000, 0).ms, 2_000_000, "and the clock counts again when it has caught up");
    }
}
