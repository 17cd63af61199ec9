//! What is held for a request, and told how the request ended.

use http::response;
use http_body::Body;

use crate::context::Outcome;

/// How a request ended, as its guard sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// The last frame of the response was handed to the transport.
    Finished,
    /// The service, or the response's body, failed with an error.
    Failed,
    /// The future or the body was dropped before its end.
    Dropped,
    /// The future or the body panicked, or was dropped by a panic.
    Panicked,
}

impl End {
    /// What that means for the request, as far as its guard alone can tell: a drop is the client's, who went away.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Finished => Outcome::Finished,
            Self::Failed => Outcome::Failed,
            Self::Dropped => Outcome::Cancelled,
            Self::Panicked => Outcome::Panicked,
        }
    }
}

/// What is held for a request until its response is over. Exactly one call of [`end`](Self::end) ends it.
pub trait Guard {
    /// The response's head is ready and may still be changed.
    fn head(&mut self, head: &mut response::Parts) {
        let _ = head;
    }

    /// The response's head, or a frame of its body, was handed on, and there is more to come. Until that is
    /// [asked for](Self::asked), the response waits for its client.
    fn handed_on(&mut self) {}

    /// The next frame of the response's body is asked for, and from now on the client waits for it.
    fn asked(&mut self) {}

    /// The response is over.
    fn end(self, end: End);
}

impl Guard for () {
    fn end(self, _: End) {}
}

/// Holds a guard and ends it, on a drop too.
///
/// Fields are dropped in the order in which they are declared: declared after the future or body that it guards, it
/// is ended when everything in there is freed.
#[derive(Debug)]
pub struct Hold<G: Guard> {
    guard: Option<G>,
    panicked: bool,
}

impl<G: Guard> Hold<G> {
    /// Holds `guard`.
    pub fn new(guard: G) -> Self {
        Self { guard: Some(guard), panicked: false }
    }

    /// Holds nothing.
    pub fn nothing() -> Self {
        Self { guard: None, panicked: false }
    }

    /// The guard, unless it has ended.
    pub fn guard(&self) -> Option<&G> {
        self.guard.as_ref()
    }

    /// The guard, unless it has ended.
    pub fn guard_mut(&mut self) -> Option<&mut G> {
        self.guard.as_mut()
    }

    /// The head of a response with this body is about to be handed on. Ends the guard if that is all there is, and returns how many
    /// bytes are to come, where that is known.
    #[inline]
    pub(super) fn begin(&mut self, body: &impl Body, drops_body: bool) -> Option<u64> {
        let unsent = body.size_hint().exact();
        if drops_body || unsent == Some(0) || body.is_end_stream() {
            self.end(End::Finished);
        } else if let Some(guard) = self.guard_mut() {
            guard.handed_on();
        }
        unsent
    }

    /// Polls what the guard is held for, and remembers it if that panics.
    ///
    /// Without this a panic that is caught further out, and so over before the guard is dropped, would pass for a
    /// client that went away.
    pub fn polling<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        self.panicked = true;
        let polled = poll();
        self.panicked = false;
        polled
    }

    /// Hands the guard on, to be held elsewhere.
    #[must_use]
    pub fn hand_on(&mut self) -> Self {
        Self { guard: self.guard.take(), panicked: false }
    }

    /// Ends the guard, unless it has ended.
    pub fn end(&mut self, end: End) {
        if let Some(guard) = self.guard.take() {
            guard.end(end);
        }
    }

    /// Whether there is nothing left to end.
    pub fn is_over(&self) -> bool {
        self.guard.is_none()
    }
}

impl<G: Guard> Drop for Hold<G> {
    fn drop(&mut self) {
        if !self.is_over() {
            let panicked = self.panicked || std::thread::panicking();
            self.end(if panicked { End::Panicked } else { End::Dropped });
        }
    }
}
