//! For each bucket of a series a request that is in it, by which its trace is found.

use std::{
    sync::atomic::{
        AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::histogram::BOUNDS;
use crate::trace::{SpanId, Trace, TraceId};

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
/// Of each bucket the first request after a [reading](Turn) is kept, until the next one: to keep each would cost each, and nobody
/// sees more than one. So a request, all but always, finds that there is nothing to do, by two loads of what nobody writes.
#[derive(Default)]
pub(crate) struct Exemplars([Place; BOUNDS.len() + 1]);

/// Counts the readings. Even, and not 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Turn(u64);

/// How many readings there have been.
pub(super) struct Turns(AtomicU64);

/// A sequence lock, the sequence of which are the turns.
///
/// Who sees one of the words that somebody has begun to write, sees the odd number that was written before them: they
/// are written with `Release` and read with `Acquire`. There is one who writes at a time, and one write in a turn.
#[derive(Default)]
struct Place {
    /// That in which it was written, or 0; and 1 more while it is being written.
    turn: AtomicU64,
    words: [AtomicU64; 5],
}

impl Turns {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(2))
    }

    #[inline]
    pub(super) fn now(&self) -> Turn {
        Turn(self.0.load(Relaxed))
    }

    /// Somebody reads, and so each bucket is open to another request.
    pub(super) fn next(&self) {
        self.0.fetch_add(2, Relaxed);
    }
}

impl Exemplars {
    /// Keeps a request that was over just now, if none has been kept in this turn.
    #[inline]
    pub(super) fn offer(&self, bucket: usize, turn: Turn, trace: Trace, took: Duration) {
        let place = &self.0[bucket];
        if place.turn.load(Relaxed) < turn.0 {
            place.write(turn, Exemplar::of(trace, took));
        }
    }

    /// What was kept last in this bucket; nothing while it is being written.
    pub(super) fn read(&self, bucket: usize) -> Option<Exemplar> {
        self.0[bucket].read()
    }
}

impl Place {
    #[cold]
    fn write(&self, turn: Turn, exemplar: Exemplar) {
        let before = self.turn.load(Relaxed);
        // Who comes second leaves it to the first.
        let is_free = before % 2 == 0 && before < turn.0;
        if !is_free || self.turn.compare_exchange(before, before + 1, Acquire, Relaxed).is_err() {
            return;
        }
        for (word, value) in self.words.iter().zip(exemplar.words()) {
            word.store(value, Release);
        }
        self.turn.store(turn.0, Release);
    }

    fn read(&self) -> Option<Exemplar> {
        let turn = self.turn.load(Acquire);
        let words = self.words.each_ref().map(|word| word.load(Acquire));
        let is_whole = turn % 2 == 0 && self.turn.load(Relaxed) == turn;
        if is_whole { Exemplar::from_words(words) } else { None }
    }
}

impl Exemplar {
    fn of(Trace { trace_id, span_id, .. }: Trace, took: Duration) -> Self {
        Self { trace_id, span_id, took, at: SystemTime::now() }
    }

    fn words(&self) -> [u64; 5] {
        let trace = self.trace_id.get();
        let at = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        [(trace >> 64) as u64, trace as u64, self.span_id.get(), nanos(self.took), nanos(at)]
    }

    /// None where nothing has been written.
    fn from_words([upper, lower, span, took, at]: [u64; 5]) -> Option<Self> {
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

#[cfg(test)]
mod tests {
    use std::{
        sync::Barrier,
        thread::{self, ScopedJoinHandle},
    };

    use super::*;

    /// One of which every part tells all others.
    fn exemplar(number: u64) -> Exemplar {
        Exemplar {
            trace_id: TraceId::new(u128::from(number) << 64 | u128::from(number)).unwrap(),
            span_id: SpanId::new(number).unwrap(),
            took: Duration::from_nanos(number),
            at: UNIX_EPOCH + Duration::from_nanos(number),
        }
    }

    #[test]
    fn the_first_of_a_turn_is_kept_and_the_others_are_not() {
        let (place, turns) = (Place::default(), Turns::new());
        assert_eq!(place.read(), None);
        place.write(turns.now(), exemplar(1));
        place.write(turns.now(), exemplar(2));
        assert_eq!(place.read(), Some(exemplar(1)));
        let late = turns.now();
        turns.next();
        place.write(turns.now(), exemplar(3));
        place.write(late, exemplar(4));
        assert_eq!(place.read(), Some(exemplar(3)), "who was in the last turn is late");
    }

    #[test]
    fn nobody_reads_half_of_one_and_half_of_another() {
        let (place, turns, started) = (Place::default(), Turns::new(), Barrier::new(3));
        let read = thread::scope(|scope| {
            let writers = [1, 2].map(|first| {
                let (place, turns, started) = (&place, &turns, &started);
                scope.spawn(move || {
                    started.wait();
                    for number in (first..200_000).step_by(2) {
                        turns.next();
                        place.write(turns.now(), exemplar(number));
                    }
                })
            });
            started.wait();
            let mut read = 0;
            while !writers.iter().all(ScopedJoinHandle::is_finished) {
                let whole = place.read();
                assert!(whole.is_none_or(|whole| whole == exemplar(whole.span_id.get())), "{whole:?}");
                read += u32::from(whole.is_some());
            }
            read
        });
        assert!(read > 0);
        assert!(place.read().is_some());
    }
}
