//! How a route reaches the timeout around it in a request without a context.
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
    Listens,
    Heard(Duration),
}

/// Restores who listened before, also when what runs inside panics.
struct Listener<'a> {
    timeout: &'a mut Duration,
    outer: Nearest,
}

/// Runs `inside`, which may [move](move_to) `timeout`.
pub(crate) fn listen<T>(timeout: &mut Duration, inside: impl FnOnce() -> T) -> T {
    let _listener = Listener { timeout, outer: NEAREST.replace(Nearest::Listens) };
    inside()
}

/// Moves the nearest timeout that listens, and says whether one does.
pub(crate) fn move_to(timeout: Duration) -> bool {
    if matches!(NEAREST.get(), Nearest::Nobody) {
        return false;
    }
    NEAREST.set(Nearest::Heard(timeout));
    true
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        if let Nearest::Heard(timeout) = NEAREST.replace(self.outer) {
            *self.timeout = timeout;
        }
    }
}
