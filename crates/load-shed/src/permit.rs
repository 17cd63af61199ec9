//! A slot that is held, and a place in the queue for one.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{header::CONTENT_TYPE, response};
use macadam_core::{End, Guard};

use crate::gate::{Entry, Gate};

/// Holds a request's slot until its response is over, or known to have no end.
///
/// It is let go with the head of a response that makes no work of its own from then on: an upgrade, and an event
/// stream. One of a request that takes no slot holds nothing.
pub struct Permit {
    gate: Option<Arc<Gate>>,
}

/// A place in the queue; ready when it has become a slot.
///
/// # Cancel safety
///
/// Dropped, it leaves the queue at once; a slot that it had been handed already goes to the next one.
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Ticket {
    gate: Arc<Gate>,
    /// `None` once the slot was taken.
    key: Option<usize>,
}

/// What the gate said, with what has to be given back.
pub(crate) enum Admission {
    Admitted(Permit),
    Waiting(Ticket),
    Full,
}

impl Admission {
    /// Asks `gate` for a slot, or for a place in a queue of at most `capacity`.
    pub(crate) fn ask(gate: &Arc<Gate>, capacity: u16) -> Self {
        match gate.enter(capacity) {
            Entry::Admitted => Self::Admitted(Permit::of(gate)),
            Entry::Waiting(key) => Self::Waiting(Ticket { gate: Arc::clone(gate), key: Some(key) }),
            Entry::Full => Self::Full,
        }
    }
}

impl Permit {
    /// Holds a slot that `gate` has given.
    pub(crate) fn of(gate: &Arc<Gate>) -> Self {
        Self { gate: Some(Arc::clone(gate)) }
    }

    /// Holds nothing.
    pub(crate) fn nothing() -> Self {
        Self { gate: None }
    }

    fn release(&mut self) {
        if let Some(gate) = self.gate.take() {
            gate.release();
        }
    }
}

impl Guard for Permit {
    fn head(&mut self, head: &mut response::Parts) {
        // Upgrades need nothing here: to core a 101, or a CONNECT that succeeds, is over with its head.
        if is_event_stream(head) {
            self.release();
        }
    }

    fn end(mut self, _: End) {
        self.release();
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.release();
    }
}

impl Future for Ticket {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Permit> {
        let key = self.key.expect("a ticket is not polled after it was ready");
        self.gate.poll(key, cx.waker()).map(|()| {
            self.key = None;
            Permit::of(&self.gate)
        })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.gate.leave(key);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("holds_slot", &self.gate.is_some()).finish()
    }
}

fn is_event_stream(head: &response::Parts) -> bool {
    const EVENT_STREAM: &[u8] = b"text/event-stream";
    let Some(content_type) = head.headers.get(CONTENT_TYPE) else { return false };
    match content_type.as_bytes().split_at_checked(EVENT_STREAM.len()) {
        Some((essence, [] | [b';' | b' ', ..])) => essence.eq_ignore_ascii_case(EVENT_STREAM),
        _ => false,
    }
}
