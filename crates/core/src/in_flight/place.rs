//! One request's place.
//!
//! Its holder is one thread at a time, so what only the holder writes needs no read-modify-write, except for the exchange
//! of the context. That is also what orders a holder and a reader: whichever of the two exchanges it later sees all that
//! the other wrote before its own exchange.

use crate::{
    context::{Held, RequestContext},
    sync::{
        AtomicCell,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
};

// A cache line of its own.
#[repr(align(64))]
pub(super) struct Place {
    /// How often it was taken and given back: odd while it is taken. Its holder's.
    turn: AtomicU64,
    /// Its holder's, from which a reader borrows it: taken out, copied and put back.
    context: AtomicCell<Option<Held>>,
    /// A reader's, who wants to hear when the place is given back.
    awaited: AtomicBool,
}

/// What its holder does.
impl Place {
    pub(super) fn new() -> Self {
        Self { turn: AtomicU64::new(0), context: AtomicCell::new(None), awaited: AtomicBool::new(false) }
    }

    #[inline]
    pub(super) fn take(&self, context: Option<RequestContext>) {
        if let Some(context) = context {
            self.context.store(Some(context.into()));
        }
        self.next_turn();
    }

    /// Returns the context, unless there is none, or a reader has it.
    #[inline]
    pub(super) fn give_back(&self) -> Option<Held> {
        self.next_turn();
        self.empty()
    }

    #[inline]
    pub(super) fn empty(&self) -> Option<Held> {
        self.context.take()
    }

    /// Whether it was awaited when it was given back.
    #[inline]
    pub(super) fn was_awaited(&self) -> bool {
        let was_awaited = self.awaited.load(Relaxed);
        if was_awaited {
            self.awaited.store(false, Relaxed);
        }
        was_awaited
    }

    #[inline]
    fn next_turn(&self) {
        self.turn.store(self.turn.load(Relaxed) + 1, Release);
    }
}

/// What a reader does, who is one at a time.
impl Place {
    #[inline]
    pub(super) fn turn(&self) -> u64 {
        self.turn.load(Acquire)
    }

    #[inline]
    pub(super) fn is_taken(&self) -> bool {
        is_taken(self.turn())
    }

    /// The context of the request that is in there; `None` if none is.
    pub(super) fn look(&self) -> Option<Option<RequestContext>> {
        let turn = self.turn();
        if !is_taken(turn) {
            return None;
        }
        let context = self.copy();
        // Without a context it has none, or it has just gone.
        (context.is_some() || self.turn() == turn).then_some(context)
    }

    /// Whether a request is in there, of whose departure the reader will be told.
    pub(super) fn is_awaited(&self) -> bool {
        if !self.is_taken() {
            return false;
        }
        self.awaited.store(true, Relaxed);
        // Who gives the place back after this exchange sees that it is awaited; who did before, has been seen to.
        self.copy();
        self.is_taken()
    }

    fn copy(&self) -> Option<RequestContext> {
        let context = self.context.take()?;
        let copy = context.to_context();
        self.context.store(Some(context));
        Some(copy)
    }
}

#[inline]
fn is_taken(turn: u64) -> bool {
    turn % 2 == 1
}

#[cfg(all(test, not(macadam_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_of_a_context_takes_no_lock() {
        assert!(AtomicCell::<Option<Held>>::is_lock_free());
    }
}
