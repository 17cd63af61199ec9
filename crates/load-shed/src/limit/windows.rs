//! From looks at the gate to windows for a law.

use std::time::Duration;

use super::{controller::Window, first::First, look::Look};

/// Adds looks up until there is enough to judge by.
///
/// A window is closed with [`ENOUGH`] completions, but not before [`SHORTEST`] or two response times, and after
/// [`LONGEST`] with whatever there is. It begins only when the last move of the limit has had its effect: as long as
/// more run than may, and then for one response time more, what completes was admitted by the old limit.
#[derive(Debug, Default)]
pub(super) struct Windows {
    last: Option<Look>,
    settling: Option<Duration>,
    first: First,
    /// How long the first few took, from when that is known until the next window says it; else zero.
    unhindered: Duration,
    /// The shortest response time of late.
    response_time: Duration,
    sum: Sum,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    elapsed: Duration,
    limited: Duration,
    /// Requests in flight times seconds.
    in_flight: f64,
    good: u64,
    bad: u64,
    refused: u64,
}

impl Windows {
    /// Begins anew, once the limit that is in force from now on has had its effect.
    pub(super) fn settle(&mut self) {
        self.settling = Some(self.response_time.min(LONGEST));
        self.sum = Sum::default();
    }

    pub(super) fn on_beat(&mut self, elapsed: Duration, look: Look, limit: u32) -> Option<Window> {
        let last = self.last.replace(look).unwrap_or(look);
        let refused = look.refused.saturating_sub(last.refused);
        let good = look.good.saturating_sub(last.good);
        let bad = look.bad.saturating_sub(last.bad);
        if [good, bad, refused] == [0; 3] && look.in_flight == 0 && look.waiting == 0 {
            // Nothing is here, and nothing was: time in which nobody came says nothing about the limit.
            self.sum = Sum::default();
            self.first.pause(look);
            return None;
        }
        if let Some(first) = self.first.on_beat(elapsed, look) {
            self.unhindered = first;
            if self.response_time.is_zero() {
                self.response_time = first;
            }
            // Until now there was less to complete than there is from now on.
            self.settle();
        }
        if let Some(left) = self.settling {
            if look.in_flight <= limit {
                self.settling = left.checked_sub(elapsed).filter(|left| !left.is_zero());
            }
            return None;
        }
        let sum = &mut self.sum;
        sum.elapsed += elapsed;
        if look.waiting > 0 || refused > 0 {
            sum.limited += elapsed;
        }
        sum.in_flight +=
            f64::midpoint(f64::from(last.in_flight), f64::from(look.in_flight)) * elapsed.as_secs_f64();
        sum.good = sum.good.saturating_add(good);
        sum.bad = sum.bad.saturating_add(bad);
        sum.refused = sum.refused.saturating_add(refused);
        let shortest = SHORTEST.max(2 * self.response_time.min(LONGEST));
        let is_over =
            sum.elapsed >= LONGEST || sum.elapsed >= shortest && sum.good.saturating_add(sum.bad) >= ENOUGH;
        is_over.then(|| self.close(limit))
    }

    fn close(&mut self, limit: u32) -> Window {
        let Sum { elapsed, limited, in_flight, good, bad, refused } = std::mem::take(&mut self.sum);
        let window = Window {
            elapsed,
            limit,
            in_flight: in_flight / elapsed.as_secs_f64(),
            good,
            bad,
            refused,
            limited: limited.as_secs_f64() / elapsed.as_secs_f64(),
            unhindered: std::mem::take(&mut self.unhindered),
        };
        // Most of a long one is the queue behind the gate. What counts is the work, which changes slowly.
        let response_time = Duration::try_from_secs_f64(window.response_time()).unwrap_or(LONGEST);
        let known =
            if self.response_time.is_zero() { response_time } else { self.response_time.mul_f64(FORGETTING) };
        self.response_time = response_time.min(known);
        window
    }
}

const ENOUGH: u64 = 40;
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);
/// By how much the shortest response time is forgotten with each window.
const FORGETTING: f64 = 1.25;

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_millis(5);

    fn windows() -> Windows {
        Windows { first: First::known(), ..Windows::default() }
    }

    /// Feeds beats of `good` completions each until a window is closed.
    fn close(windows: &mut Windows, look: &mut Look, good: u64) -> (u32, Window) {
        (1..=1000)
            .find_map(|beats| {
                look.good += good;
                windows.on_beat(BEAT, *look, 16).map(|window| (beats, window))
            })
            .expect("every window ends")
    }

    #[test]
    fn a_window_needs_enough_time_and_enough_completions_but_ends_after_a_second() {
        let look = Look { in_flight: 1, ..Look::default() };
        // The first look has nothing to be compared with.
        for (good, beats) in [(100, 10), (1, 41), (0, 200)] {
            assert_eq!(close(&mut windows(), &mut look.clone(), good).0, beats, "{good} a beat");
        }
    }

    #[test]
    fn nothing_is_counted_before_the_old_limit_is_obeyed_and_a_response_time_has_passed() {
        let (mut windows, mut look) = (windows(), Look { in_flight: 32, ..Look::default() });
        close(&mut windows, &mut look, 4);
        windows.settle();
        for _ in 0..100 {
            look.good += 4;
            assert!(windows.on_beat(BEAT, look, 16).is_none(), "twice as many run as may");
        }
        look.in_flight = 16;
        let (beats, window) = close(&mut windows, &mut look, 4);
        assert!(beats > 10 && (window.throughput() - 800.0).abs() < 1.0, "{beats}: {window:?}");
    }

    #[test]
    fn an_idle_gate_makes_no_windows() {
        let mut windows = windows();
        assert!((0..1000).all(|_| windows.on_beat(BEAT, Look::default(), 16).is_none()));
    }

    #[test]
    fn a_window_says_for_how_long_somebody_was_in_want_of_a_slot() {
        let (mut windows, mut look) = (windows(), Look { in_flight: 16, ..Look::default() });
        for beat in 1..=10 {
            look.good += 100;
            look.waiting = u32::from(beat % 2 == 0);
            if let Some(window) = windows.on_beat(BEAT, look, 16) {
                assert!((window.limited - 0.5).abs() < 1e-9, "{window:?}");
                return;
            }
        }
        panic!("the window did not end");
    }
}
