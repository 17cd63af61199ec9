//! A few words that are written now and then, and read as a whole or not at all.

use crate::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// A sequence lock, the sequence of which are turns: numbers that are even, not 0, and only grow. It is written once in a turn
/// at the most, so who reads need not try again.
///
/// There is one who writes at a time. Who sees one of the words that he has begun to write, also sees the odd number that
/// was written before them: they are written with `Release` and read with `Acquire`.
pub(crate) struct Place<const WORDS: usize> {
    /// That in which it was written, or 0; and 1 more while it is being written.
    turn: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl<const WORDS: usize> Default for Place<WORDS> {
    fn default() -> Self {
        Self { turn: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }
}

impl<const WORDS: usize> Place<WORDS> {
    /// Whether nothing has been written in this turn.
    #[inline]
    pub(crate) fn is_open(&self, turn: u64) -> bool {
        self.turn.load(Relaxed) < turn
    }

    /// Writes, unless that has been done in this turn or a later one, or somebody is at it: who comes second leaves it to him.
    #[cold]
    pub(crate) fn write(&self, turn: u64, words: [u64; WORDS]) {
        let before = self.turn.load(Relaxed);
        let is_free = before % 2 == 0 && before < turn;
        if !is_free || self.turn.compare_exchange(before, before + 1, Acquire, Relaxed).is_err() {
            return;
        }
        for (place, word) in self.words.iter().zip(words) {
            place.store(word, Release);
        }
        self.turn.store(turn, Release);
    }

    /// What was written last; nothing while it is being written, or before it was.
    pub(crate) fn read(&self) -> Option<[u64; WORDS]> {
        let turn = self.turn.load(Acquire);
        let words = self.words.each_ref().map(|word| word.load(Acquire));
        let is_whole = turn > 0 && turn % 2 == 0 && self.turn.load(Relaxed) == turn;
        is_whole.then_some(words)
    }
}
