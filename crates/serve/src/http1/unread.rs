//! What is left of a request's body when it has been answered.
//!
//! An HTTP/1 connection whose request was not read to its end cannot carry another one, and hyper, which reads what is
//! there already and no more, closes it. A service that sheds would so lose the connections of all whom it asks to come
//! back. What is small and on its way is read, and thrown away, before the answer goes out.

use std::{
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use http_body::Body as _;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};

use crate::body::Receipt;

/// Where the body of a connection's request leaves its rest, as long as there is an answer to come.
///
/// The rest keeps the connection alive, so it must not stay here: whoever [waits](Self::wait_for) for it takes it.
#[derive(Default)]
pub(crate) struct Unread(Mutex<State>);

#[derive(Default)]
struct State {
    /// The request whose answer is to come.
    awaited: Option<u64>,
    rest: Option<(Incoming, Receipt)>,
}

pin_project! {
    /// Reads a rest to its end.
    pub(crate) struct Drain {
        incoming: Incoming,
        receipt: Receipt,
        #[pin]
        patience: Sleep,
    }
}

impl Unread {
    /// Takes what the body of request `number` leaves, until [`take`](Self::take).
    pub(crate) fn wait_for(&self, number: u64) {
        self.lock().awaited = Some(number);
    }

    /// Leaves what is worth reading.
    pub(crate) fn leave(&self, number: u64, incoming: Incoming, receipt: Receipt) {
        let is_small = incoming.size_hint().exact().is_some_and(|bytes| bytes <= MOST_BYTES);
        let mut state = self.lock();
        if is_small && state.awaited == Some(number) {
            state.rest = Some((incoming, receipt));
        } else {
            // Not under the lock: the receipt looks at the connection when it is dropped.
            drop(state);
        }
    }

    /// What was left, if anything was, and nothing more from now on.
    pub(crate) fn take(&self) -> Option<Drain> {
        let (incoming, receipt) = self.take_rest()?;
        Some(Drain { incoming, receipt, patience: sleep(LONGEST) })
    }

    /// Lets go of what was left: there is no answer to come.
    pub(crate) fn forget(&self) {
        drop(self.take_rest());
    }

    fn take_rest(&self) -> Option<(Incoming, Receipt)> {
        let mut state = self.lock();
        state.awaited = None;
        state.rest.take()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Future for Drain {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        loop {
            match Pin::new(&mut *this.incoming).poll_frame(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None) => {
                    this.receipt.end();
                    return Poll::Ready(());
                }
                Poll::Ready(Some(Err(_))) => return Poll::Ready(()),
                Poll::Pending => return this.patience.poll(cx),
            }
            if this.incoming.is_end_stream() {
                this.receipt.end();
                return Poll::Ready(());
            }
        }
    }
}

/// What is read for nothing at most: more costs more than a new connection does.
const MOST_BYTES: u64 = 64 * 1024;
/// How long an answer waits for that.
const LONGEST: Duration = Duration::from_millis(50);
