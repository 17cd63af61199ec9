//! How a route reaches the timeout around it where no context would tell that one.
//!
//! A layer used alone keeps its timeout in its own future, where nothing inside could find it; a shared cell for it
//! would cost every request an allocation. But a route's layer is called while the future around it is polled, on one
//! thread, so that it can leave word there: the nearest timeout listens for as long as it runs what is inside it.

use std::cell::Cell;

use tokio::time::Duration;

thread_local! {
    static NEAREST: Cell<Nearest> = const { Cell::new(Nearest::Nobody) };
}

#[derive(Clone, Copy)]
enum Nearest {
    Nobody,
    Listens(Listener),
    Heard(Listener, Duration),
}

/// Who keeps a timeout outside of the context.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Listener {
    /// One in a request without a context.
    Alone,
    /// One in a dry run: it never moves a deadline, so nothing inside may do it for its sake.
    Rehearsal,
}

/// Listens until it is dropped, and restores who listened before, also when what runs inside panics.
pub(crate) struct Listening<'a> {
    timeout: &'a mut Duration,
    outer: Nearest,
}

/// What runs from now on may [move](move_to) `timeout`.
pub(crate) fn listen(timeout: &mut Duration, listener: Listener) -> Listening<'_> {
    Listening { timeout, outer: NEAREST.replace(Nearest::Listens(listener)) }
}

/// Moves the nearest timeout that listens, and says whose that is.
pub(crate) fn move_to(timeout: Duration) -> Option<Listener> {
    let (Nearest::Listens(listener) | Nearest::Heard(listener, _)) = NEAREST.get() else { return None };
    NEAREST.set(Nearest::Heard(listener, timeout));
    Some(listener)
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        if let Nearest::Heard(_, timeout) = NEAREST.replace(self.outer) {
            *self.timeout = timeout;
        }
    }
}
