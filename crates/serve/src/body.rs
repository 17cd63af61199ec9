//! The request's body.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use macadam_core::{Outcome, RequestContext, Stage};

use crate::{
    clocks::{DRAIN_BODY_IDLE, Look, Patience},
    conn::Conn,
    error::BodyError,
    order::Order,
};

/// A request's body, with a clock on the client.
///
/// The clock runs while the handler waits for a frame, from the poll that found none to the next frame, and is off
/// otherwise. While it runs, the request's own deadline stands still: the handler is not to blame for a slow client.
/// Where nothing comes for too long, or too little, the body fails with a [`BodyError`] of kind
/// [`Idle`](crate::BodyErrorKind::Idle) or [`TooSlow`](crate::BodyErrorKind::TooSlow), once, and has ended; an error
/// that the handler then answers reaches the client as 408, and an HTTP/1 connection is closed.
///
/// # Cancel safety
///
/// No frame is lost when a future that polls it is dropped. Dropped itself, it lets the deadline run on.
pub struct Body {
    /// `None` once it was left unread.
    incoming: Option<Incoming>,
    /// Until the body has ended.
    receipt: Option<Receipt>,
    failed: bool,
}

/// What is kept for a body whose end is still to come.
pub(crate) struct Receipt {
    conn: Arc<Conn>,
    context: RequestContext,
    number: u64,
    /// The stage before the handler began to wait.
    waited_in: Option<Stage>,
    patience: Patience,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, conn: &Arc<Conn>, context: &RequestContext, number: u64) -> Self {
        let body = |incoming, receipt| Self { incoming: Some(incoming), receipt, failed: false };
        if incoming.is_end_stream() {
            return body(incoming, None);
        }
        conn.body_begins();
        let receipt = Receipt {
            conn: Arc::clone(conn),
            context: context.clone(),
            number,
            waited_in: None,
            patience: Patience::with_a_sender(&conn.clocks),
        };
        body(incoming, Some(receipt))
    }

    /// Whether there is something to come.
    pub(crate) fn is_awaited(&self) -> bool {
        self.receipt.is_some()
    }

    /// The client has not sent it in time.
    fn fail_late(&mut self, error: BodyError) -> BodyError {
        if let Some(receipt) = self.receipt.take() {
            receipt.conn.set_late(receipt.number, error.kind());
            receipt.context.settle(Outcome::TimedOut);
        }
        self.failed = true;
        error
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.failed {
            return Poll::Ready(None);
        }
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        let frame = match Pin::new(&mut *incoming).poll_frame(cx) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let Some(receipt) = &mut this.receipt else { return Poll::Pending };
                ready!(receipt.poll_too_long(cx));
                let error = BodyError::idle(receipt.patience.silence());
                return Poll::Ready(Some(Err(this.fail_late(error))));
            }
        };
        if let Some(receipt) = &mut this.receipt {
            receipt.resume();
            let ended = match &frame {
                Some(Ok(frame)) => frame.is_trailers() || incoming.is_end_stream(),
                Some(Err(_)) => false,
                None => true,
            };
            if ended {
                // Whoever has sent all of it is not asked how fast that was.
                receipt.end();
            } else if let Some(Ok(frame)) = &frame {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                if !receipt.patience.moved(bytes) {
                    return Poll::Ready(Some(Err(this.fail_late(BodyError::too_slow()))));
                }
            }
            if ended || matches!(frame, Some(Err(_))) {
                this.receipt = None;
            }
        }
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                this.failed = true;
                BodyError::transport(error)
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.failed || self.incoming.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            Some(incoming) if !self.failed => incoming.size_hint(),
            _ => SizeHint::with_exact(0),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if let (Some(incoming), Some(receipt)) = (self.incoming.take(), self.receipt.take()) {
            let conn = Arc::clone(&receipt.conn);
            conn.unread.leave(receipt.number, incoming, receipt);
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Body").field(&self.incoming).finish()
    }
}

impl Receipt {
    /// The handler waits. Ready when it has waited for too long.
    fn poll_too_long(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waited_in.is_none() {
            self.waited_in = Some(self.context.stage());
            self.context.set_stage(Stage::ReadingBody);
            self.context.pause_deadline();
        }
        loop {
            // Looked at with each look, a few seconds apart: a handler that waits is not woken by the drain.
            if self.conn.order() >= Order::Drain {
                self.patience.hurry(self.conn.house.drain_since(), DRAIN_BODY_IDLE);
            }
            if ready!(self.patience.poll_look(cx)) == Look::TooLong {
                return Poll::Ready(());
            }
        }
    }

    fn resume(&mut self) {
        let Some(stage) = self.waited_in.take() else { return };
        self.context.resume_deadline();
        // Unless it has moved on, as with a response that began before its request had ended.
        if self.context.stage() == Stage::ReadingBody {
            self.context.set_stage(stage);
        }
    }

    /// All of it has come.
    pub(crate) fn end(&self) {
        self.conn.body_ended();
    }
}

impl Drop for Receipt {
    fn drop(&mut self) {
        self.resume();
        self.conn.body_over();
    }
}
