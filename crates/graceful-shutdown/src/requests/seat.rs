//! A request's place in the table of those in flight, and what else is held for it there.
//!
//! To make one takes a lock, allocations and reference counts that all threads share. So one whose request is over waits
//! for the next request on its thread, and none of that is on a request's way.

use std::{cell::RefCell, sync::Arc};

use macadam_core::{InFlightGuard, RequestContext};

use crate::ledger::Ledger;

/// It keeps its ledger alive, also while it waits: until its thread ends, or serves for another ledger.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) ledger: Arc<Ledger>,
    context: Option<RequestContext>,
    // The last to be dropped: who waits for an empty table finds everything else done.
    place: InFlightGuard,
}

thread_local! {
    // In boxes, since a seat goes from the request's future to its body, and is moved with both.
    #[expect(clippy::vec_box, reason = "they are taken out and put back as they are")]
    static FREE: RefCell<Vec<Box<Seat>>> = const { RefCell::new(Vec::new()) };
}

impl Seat {
    /// Puts a request into the ledger's table.
    #[inline]
    pub(crate) fn take(ledger: &Arc<Ledger>, context: Option<RequestContext>) -> Box<Self> {
        let mut seat = match Self::free() {
            Some(seat) if Arc::ptr_eq(&seat.ledger, ledger) => seat,
            other => Self::instead_of(other, ledger),
        };
        seat.place.enter(context.clone());
        seat.context = context;
        seat
    }

    pub(crate) fn context(&self) -> Option<&RequestContext> {
        self.context.as_ref()
    }

    /// Takes the request out of the table.
    #[inline]
    pub(crate) fn leave(mut self: Box<Self>) {
        self.context = None;
        self.place.leave();
        // A thread that is torn down keeps none. One too many is freed when the others are in peace.
        let _one_too_many = FREE.try_with(|free| {
            let mut free = free.borrow_mut();
            if free.len() == AT_MOST {
                return Some(self);
            }
            free.push(self);
            None
        });
    }

    #[inline]
    fn free() -> Option<Box<Self>> {
        FREE.try_with(|free| free.borrow_mut().pop()).ok().flatten()
    }

    /// Not inlined: it is for a thread's first requests, and for those beyond the most that it has had at a time.
    #[cold]
    fn instead_of(mut other: Option<Box<Self>>, ledger: &Arc<Ledger>) -> Box<Self> {
        while let Some(seat) = other {
            if Arc::ptr_eq(&seat.ledger, ledger) {
                return seat;
            }
            other = Self::free();
        }
        Box::new(Self { place: ledger.in_flight.place(), ledger: Arc::clone(ledger), context: None })
    }
}

/// Some 60 kB a thread.
const AT_MOST: usize = 256;
