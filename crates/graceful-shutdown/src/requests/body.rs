//! A response's body that ends at its turn, if it would go on for ever.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, response};
use http_body::{Body, Frame, SizeHint};
use macadam_core::Streaming;
use pin_project_lite::pin_project;

use super::guard::DrainGuard;
use crate::streams::{Place, Turns};

pin_project! {
    /// The body of a response behind a [`DrainLayer`](crate::DrainLayer): the service's, unchanged, unless that is a
    /// stream and its turn has come to end.
    #[derive(Debug)]
    pub struct DrainBody<B> {
        // `None` once it was ended.
        #[pin]
        body: Option<B>,
        course: Course,
    }
}

/// In the extensions of a response: it ends by itself, although its content type is one of those that go on for ever.
///
/// So it is left to finish in the time to drain, like any other response. The answer of a language model is one that
/// comes as an event stream.
///
/// ```
/// use macadam_graceful_shutdown::Finite;
///
/// # let events = String::new();
/// let mut response = http::Response::new(events);
/// response.extensions_mut().insert(Finite);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finite;

#[derive(Debug)]
enum Course {
    /// It ends by itself.
    Own,
    /// A stream, or a gRPC call with a single answer: whoever has not waited, nor handed out a second frame, may yet
    /// turn out to be that.
    New { turns: Arc<Turns>, kind: Streaming, began: bool },
    /// A stream in the line of those who wait for their turn.
    Listed { place: Place, kind: Streaming },
}

type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

impl<B: Body> DrainBody<B> {
    #[inline]
    pub(crate) fn of(guard: Option<&DrainGuard>, head: &response::Parts, body: B) -> Self {
        let course = match guard {
            // First its length, which nearly every response knows.
            Some(guard) if body.size_hint().exact().is_none() => Course::of(guard.turns(), head),
            _ => Course::Own,
        };
        Self { body: Some(body), course }
    }

    /// A frame of a stream, or its end.
    fn poll_stream(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<B> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        if !this.course.is_over() {
            let frame = body.poll_frame(cx);
            match &frame {
                Poll::Ready(Some(Ok(frame))) if frame.is_data() => this.course.went_on(),
                Poll::Ready(_) => *this.course = Course::Own,
                Poll::Pending => ready!(this.course.poll_waiting(cx)),
            }
            if frame.is_ready() {
                return frame;
            }
        }
        this.body.set(None);
        Poll::Ready(mem::replace(this.course, Course::Own).last_frame().map(Ok))
    }
}

impl Course {
    fn of(turns: &Arc<Turns>, head: &response::Parts) -> Self {
        match Streaming::of(&head.headers) {
            Some(kind @ (Streaming::Events | Streaming::Grpc))
                if head.extensions.get::<Finite>().is_none() =>
            {
                Self::New { turns: Arc::clone(turns), kind, began: false }
            }
            // How gRPC-Web ends stands in its body, and that is the service's.
            _ => Self::Own,
        }
    }

    fn enter(&mut self) {
        if let Self::New { turns, kind, .. } = self {
            let patience = if *kind == Streaming::Grpc { YOUTH } else { Duration::ZERO };
            *self = Self::Listed { place: turns.enter(patience), kind: *kind };
        }
    }

    /// Whether it has had its turn, and gone on for long enough.
    fn is_over(&self) -> bool {
        matches!(self, Self::Listed { place, .. } if place.is_over())
    }

    /// The body has nothing ready. Ready if it ends here.
    fn poll_waiting(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.enter();
        match self {
            Self::Listed { place, .. } => place.poll(cx),
            _ => Poll::Pending,
        }
    }

    /// The body has handed out a frame that is not its last.
    fn went_on(&mut self) {
        match self {
            Self::New { began, .. } if !*began => *began = true,
            Self::New { .. } => self.enter(),
            Self::Listed { place, .. } => place.went_on(),
            Self::Own => {}
        }
    }

    /// What it ends with.
    fn last_frame<D>(self) -> Option<Frame<D>> {
        let Self::Listed { place, kind } = self else { return None };
        place.end();
        (kind == Streaming::Grpc).then(|| Frame::trailers(unavailable()))
    }
}

impl<B: Body> Body for DrainBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled<B> {
        if matches!(self.course, Course::Own) {
            return self.project().body.as_pin_mut().map_or(Poll::Ready(None), |body| body.poll_frame(cx));
        }
        self.poll_stream(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

fn unavailable() -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert("grpc-status", UNAVAILABLE.into());
    // Plain text without a `%`, so percent-encoded as it is.
    trailers.insert("grpc-message", HeaderValue::from_static("The service is shutting down. Try again."));
    trailers
}

const UNAVAILABLE: u16 = 14;
/// Most gRPC responses that wait for a frame have an end, and those that have none are older than this. It is as long as
/// the lame duck, so that what began before the signal is not waited for.
const YOUTH: Duration = Duration::from_secs(5);
