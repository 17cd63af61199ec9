//! Turns that handlers wait for themselves.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use pin_project_lite::pin_project;

use super::turns::{Place, Turns};
use crate::handle::ShutdownHandle;

/// Resolves when it is one's turn to end, once the drain has begun; and at once from then on.
///
/// Turns are spread: 200 of them are given a second, or as many more as it takes to give all in the first half of the
/// time to drain. [`Draining`](crate::Draining) resolves for all at the same moment.
///
/// It waits in line from its first poll on, until it is dropped.
#[must_use = "futures do nothing unless polled"]
pub struct Turn {
    turns: Arc<Turns>,
    place: Option<Place>,
}

impl Turn {
    pub(crate) fn new(turns: &Arc<Turns>) -> Self {
        Self { turns: Arc::clone(turns), place: None }
    }

    fn place(&mut self) -> &mut Place {
        let Self { turns, place } = self;
        place.get_or_insert_with(|| turns.enter(Duration::ZERO))
    }

    fn leave(&mut self) {
        self.place = None;
    }

    /// Who waited for it ends.
    pub(crate) fn end(&mut self) {
        if let Some(place) = self.place.take() {
            place.end();
        }
    }

    /// Whether it has come.
    pub(crate) fn has_come(&self) -> bool {
        self.place.as_ref().is_some_and(Place::is_called)
    }
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.place().poll(cx)
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("has_come", &self.has_come()).finish()
    }
}

/// Ends a stream at its turn. Every [`Stream`] has it.
pub trait UntilDraining: Stream + Sized {
    /// This stream, until its turn comes to end: see [`Turn`].
    ///
    /// It hands on what is ready, and ends where it would have to wait. For bodies of which the
    /// [`DrainLayer`](crate::DrainLayer) cannot know that they never end by themselves: chunks without a content type
    /// that says so, gRPC-Web, or whatever should have a last word of its own, by `chain`.
    fn until_draining(self, shutdown: &ShutdownHandle) -> EndsAtTurn<Self> {
        EndsAtTurn { stream: Some(self), turn: shutdown.turn() }
    }
}

impl<S: Stream> UntilDraining for S {}

pin_project! {
    /// A stream that ends at its turn, or by itself: what [`until_draining`](UntilDraining::until_draining) returns.
    #[derive(Debug)]
    #[must_use = "streams do nothing unless polled"]
    pub struct EndsAtTurn<S> {
        // `None` once it has ended.
        #[pin]
        stream: Option<S>,
        turn: Turn,
    }
}

impl<S: Stream> Stream for EndsAtTurn<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let Some(stream) = this.stream.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let place = this.turn.place();
        if !place.is_over() {
            match stream.poll_next(cx) {
                Poll::Ready(Some(item)) => {
                    place.went_on();
                    return Poll::Ready(Some(item));
                }
                Poll::Ready(None) => {
                    this.stream.set(None);
                    this.turn.leave();
                    return Poll::Ready(None);
                }
                Poll::Pending => ready!(place.poll(cx)),
            }
        }
        this.stream.set(None);
        this.turn.end();
        Poll::Ready(None)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let most = self.stream.as_ref().map_or(Some(0), |stream| stream.size_hint().1);
        (0, most)
    }
}
