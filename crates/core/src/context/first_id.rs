//! Where a request's id is written once and read by any thread.
//!
//! Not a `OnceLock`: every request has an id, and that would exchange twice, and keep the text somewhere else. Here one
//! exchange decides who writes, and plain stores do the rest.

use std::num::NonZeroU8;

use super::id::{Id, InvalidRequestId, check};
use crate::sync::{
    atomic::{
        AtomicU8, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    yield_now,
};

/// The first id that a request was given.
pub(super) struct FirstId {
    /// The id's length once it is there; before, `NONE` or `BEING_WRITTEN`.
    len: AtomicU8,
    words: [AtomicU64; Id::MAX_LEN / WORD],
}

impl FirstId {
    pub(super) fn none() -> Self {
        Self { len: AtomicU8::new(NONE), words: std::array::from_fn(|_| AtomicU64::new(0)) }
    }

    /// The id, once it is there as a whole.
    pub(super) fn get(&self) -> Option<Id> {
        let len = self.len.load(Acquire);
        if len == BEING_WRITTEN {
            return None;
        }
        let mut id = Id { text: [0; Id::MAX_LEN], len: NonZeroU8::new(len)? };
        let words = usize::from(len).div_ceil(WORD);
        for (bytes, word) in id.text.chunks_exact_mut(WORD).zip(&self.words[..words]) {
            bytes.copy_from_slice(&word.load(Relaxed).to_ne_bytes());
        }
        Some(id)
    }

    /// Writes the id if there is none. There is one when this returns `Ok`.
    #[inline]
    pub(super) fn set(&self, id: &[u8]) -> Result<(), InvalidRequestId> {
        let len = check(id)?.get();
        if self.len.compare_exchange(NONE, BEING_WRITTEN, Relaxed, Relaxed).is_err() {
            // Two tasks that name one request at once are not heard of: the second waits for sixteen stores at most.
            while self.len.load(Relaxed) == BEING_WRITTEN {
                yield_now();
            }
            return Ok(());
        }
        // Nobody but the winner writes a word, and nobody reads one before the length says so.
        for (chunk, word) in id.chunks(WORD).zip(&self.words) {
            let mut bytes = [0; WORD];
            bytes[..chunk.len()].copy_from_slice(chunk);
            word.store(u64::from_ne_bytes(bytes), Relaxed);
        }
        self.len.store(len, Release);
        Ok(())
    }
}

const NONE: u8 = 0;
const BEING_WRITTEN: u8 = u8::MAX;
const WORD: usize = size_of::<u64>();
