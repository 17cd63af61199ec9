//! For each bucket of a series a request that is in it, by which its trace is found.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{histogram::BOUNDS, place::Place};
use crate::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    trace::{SpanId, Trace, TraceId},
};

/// A request that stands for its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exemplar {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) took: Duration,
    /// When it was over, to the nanosecond.
    pub(crate) at: SystemTime,
}

/// Those of one series, of all threads together.
///
/// Of each bucket the first request after a [reading](Turns) is kept, until the next one: to keep each would cost each, and nobody
/// sees more than one. So a request, all but always, finds that there is nothing to do, by two loads of what nobody writes.
#[derive(Default)]
pub(crate) struct Exemplars([Place<WORDS>; BOUNDS.len() + 1]);

/// Counts the readings: in even numbers, from 2 on.
pub(super) struct Turns(AtomicU64);

impl Turns {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(2))
    }

    #[inline]
    pub(super) fn now(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Somebody reads, and so each bucket is open to another request.
    pub(super) fn next(&self) {
        self.0.fetch_add(2, Relaxed);
    }
}

impl Exemplars {
    /// Keeps a request that was over just now, if none has been kept in this turn.
    #[inline]
    pub(super) fn offer(&self, bucket: usize, turn: u64, trace: Trace, took: Duration) {
        let place = &self.0[bucket];
        if place.is_open(turn) {
            place.write(turn, Exemplar::of(trace, took).words());
        }
    }

    /// What was kept last in this bucket; nothing while it is being written.
    pub(super) fn read(&self, bucket: usize) -> Option<Exemplar> {
        Exemplar::from_words(self.0[bucket].read()?)
    }
}

impl Exemplar {
    fn of(Trace { trace_id, span_id, .. }: Trace, took: Duration) -> Self {
        Self { trace_id, span_id, took, at: SystemTime::now() }
    }

    fn words(&self) -> [u64; WORDS] {
        let trace = self.trace_id.get();
        let at = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        [(trace >> 64) as u64, trace as u64, self.span_id.get(), nanos(self.took), nanos(at)]
    }

    fn from_words([upper, lower, span, took, at]: [u64; WORDS]) -> Option<Self> {
        Some(Self {
            trace_id: TraceId::new(u128::from(upper) << 64 | u128::from(lower))?,
            span_id: SpanId::new(span)?,
            took: Duration::from_nanos(took),
            at: UNIX_EPOCH + Duration::from_nanos(at),
        })
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

const WORDS: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        Trace { trace_id: TraceId::random(), span_id: SpanId::random(), sampled: true }
    }

    #[test]
    fn the_first_of_a_turn_is_kept_as_it_was_and_the_others_are_not() {
        let (exemplars, turns) = (Exemplars::default(), Turns::new());
        assert_eq!(exemplars.read(0), None);
        let (first, second, third) = (trace(), trace(), trace());
        let took = Duration::from_nanos(1_234_567_890);
        let before = SystemTime::now();
        exemplars.offer(0, turns.now(), first, took);
        exemplars.offer(0, turns.now(), second, took);
        let kept = exemplars.read(0).unwrap();
        assert_eq!((kept.trace_id, kept.span_id, kept.took), (first.trace_id, first.span_id, took));
        assert!((before..=SystemTime::now()).contains(&kept.at), "{kept:?}");
        assert_eq!(exemplars.read(1), None, "each bucket has its own");
        let late = turns.now();
        turns.next();
        exemplars.offer(0, turns.now(), third, took);
        exemplars.offer(0, late, second, took);
        assert_eq!(exemplars.read(0).unwrap().span_id, third.span_id, "who was in the last turn is late");
    }
}
