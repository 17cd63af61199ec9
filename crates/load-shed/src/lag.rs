//! Whether the executor is late.
//!
//! A handler that computes without yielding keeps in flight at the number of workers, whatever the load: the queue
//! that grows is the executor's own, which no layer can see. What can be seen is time. A beat is due every 5 ms, and then
//! goes once through that queue, behind all that is ready: so its lateness is how long a task waits that becomes ready
//! now, and from one beat to the next is a *round*, in which all that was ready before is polled.
//!
//! *Overloaded* is CoDel's rule (Nichols and Jacobson, 2012): for 100 ms no beat was on time, so the least lateness was
//! above the target; a burst is not that. It ends when beats were on time for as long again. While it lasts, a round is
//! made short: what comes up early in it is admitted, and what comes up later than [patience](Lag::admits) after the
//! round's beat is refused, in microseconds, so that the round ends and the next one begins. The executor always has
//! work, since a round is longer than nothing; and nobody waits for much longer than two rounds.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    queue::CLASSES,
    sync::atomic::{
        AtomicBool, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

/// From a beat to the next, if it is on time.
pub(crate) const BEAT: Duration = Duration::from_millis(5);

/// What the beat has found out, for who asks for a slot.
pub(crate) struct Lag {
    /// In nanoseconds.
    target: AtomicU64,
    start: Instant,
    /// When the last beat was, in nanoseconds after the start.
    beat: AtomicU64,
    overloaded: AtomicBool,
    /// How late the last beat was, in nanoseconds.
    last: AtomicU64,
}

/// The rule by which lateness becomes overload.
#[derive(Debug, Default)]
pub(crate) struct Lateness {
    /// For how long no beat was on time; in an overload, for how much longer beats were late than on time since, at the
    /// most [`INTERVAL`].
    late_for: Duration,
    overloaded: bool,
}

impl Lag {
    pub(crate) fn new(target: Duration) -> Self {
        Self {
            target: AtomicU64::new(target.as_nanos() as u64),
            start: Instant::now(),
            beat: AtomicU64::new(0),
            overloaded: AtomicBool::new(false),
            last: AtomicU64::new(0),
        }
    }

    /// Whether a request of this class is still admitted in this round. Reads the clock in an overload alone.
    pub(crate) fn admits(&self, class: u8) -> bool {
        if !self.is_overloaded() {
            return true;
        }
        let age = self.start.elapsed().saturating_sub(Duration::from_nanos(self.beat.load(Acquire)));
        age <= self.patience(class)
    }

    /// For how long after its beat a round admits requests of this class: the longer the more it matters, so that what
    /// is refused is first of all what matters less.
    fn patience(&self, class: u8) -> Duration {
        let steps = 2 * CLASSES as u32 - u32::from(class);
        BEAT + self.target() * steps / 3
    }

    pub(crate) fn is_overloaded(&self) -> bool {
        self.overloaded.load(Acquire)
    }

    /// How late the last beat was.
    pub(crate) fn last(&self) -> Duration {
        Duration::from_nanos(self.last.load(Relaxed))
    }

    pub(crate) fn target(&self) -> Duration {
        Duration::from_nanos(self.target.load(Relaxed))
    }

    pub(crate) fn set_target(&self, target: Duration) {
        self.target.store(target.as_nanos() as u64, Relaxed);
    }

    /// Says that a beat has come at `now`.
    pub(crate) fn beat(&self, now: Instant, lag: Duration, overloaded: bool) {
        self.beat.store(now.saturating_duration_since(self.start).as_nanos() as u64, Release);
        self.last.store(lag.as_nanos() as u64, Relaxed);
        self.overloaded.store(overloaded, Release);
    }
}

impl Lateness {
    /// Whether there is an overload, after a beat that came `lag` too late and `elapsed` after the last one.
    pub(crate) fn on_beat(&mut self, elapsed: Duration, lag: Duration, target: Duration) -> bool {
        if lag > target {
            self.late_for = (self.late_for + elapsed).min(INTERVAL);
        } else if self.overloaded {
            // One round that happens to be short ends nothing: what was refused would come back into the next one.
            self.late_for = self.late_for.saturating_sub(elapsed);
        } else {
            self.late_for = Duration::ZERO;
        }
        self.overloaded = if self.overloaded { !self.late_for.is_zero() } else { self.late_for == INTERVAL };
        self.overloaded
    }
}

/// How long no beat has to be on time: CoDel's interval.
const INTERVAL: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const TARGET: Duration = Duration::from_millis(5);

    #[test]
    fn it_takes_a_tenth_of_a_second_without_a_beat_on_time() {
        let mut lateness = Lateness::default();
        let mut beats = |count, elapsed, lag| {
            (0..count).map(|_| lateness.on_beat(elapsed, lag, TARGET)).collect::<Vec<_>>()
        };
        assert_eq!(beats(9, 11 * MS, TARGET + MS), [false; 9], "99 ms");
        assert_eq!(beats(1, 11 * MS, TARGET), [false], "one is on time, and it begins anew");
        assert_eq!(beats(9, 11 * MS, TARGET + MS), [false; 9]);
        assert_eq!(beats(2, MS, TARGET + MS), [true; 2], "100 ms, and on it goes");
        assert_eq!(beats(19, 5 * MS, TARGET), [true; 19], "95 ms on time");
        assert_eq!(beats(1, 10 * MS, TARGET + MS), [true], "one is late again");
        assert_eq!(beats(2, 5 * MS, TARGET), [true; 2]);
        assert_eq!(beats(1, 5 * MS, TARGET), [false], "as long on time as they were late");
    }

    #[tokio::test(start_paused = true)]
    async fn a_round_admits_what_matters_more_for_longer() {
        let lag = Lag::new(TARGET);
        let patience = [0, 1, 2, 3].map(|class| lag.patience(class));
        assert!(patience.is_sorted_by(|one, other| one > other), "{patience:?}");

        lag.beat(Instant::now(), 2 * TARGET, true);
        for class in [3, 2, 1, 0] {
            let patience = patience[usize::from(class)];
            tokio::time::advance(patience - lag.start.elapsed()).await;
            assert!(lag.admits(class), "{class} at {patience:?}");
            tokio::time::advance(MS).await;
            assert!(!lag.admits(class), "{class} a tick after");
        }
        lag.beat(Instant::now(), 2 * TARGET, true);
        assert!(lag.admits(3), "another round");
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_overload_a_late_beat_refuses_nobody() {
        let lag = Lag::new(TARGET);
        lag.beat(Instant::now(), 2 * TARGET, false);
        tokio::time::advance(Duration::from_secs(10)).await;
        assert!(lag.admits(3));
    }
}
