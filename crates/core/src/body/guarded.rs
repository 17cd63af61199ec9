//! A response body that holds a guard.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{
    guard::{End, Guard, Hold},
    rule::BodyRule,
};

pin_project! {
    /// Forwards a body unchanged, and holds a guard until that body is [finished](super), fails or is dropped.
    // The order of the fields is the order of their drops: what the body holds is freed before the guard ends.
    #[derive(Debug)]
    pub struct GuardedBody<B, G>
    where
        G: Guard,
    {
        #[pin]
        body: B,
        unsent: Option<u64>,
        hold: Hold<G>,
    }
}

impl<B: Body, G: Guard> GuardedBody<B, G> {
    /// Holds `guard` until `body` is over, which may be now.
    pub fn new(body: B, guard: G) -> Self {
        Self::held(body, Hold::new(guard), false)
    }

    /// Holds `guard` until the body of `response` is over; at once if the server will not send it.
    pub fn for_response(rule: BodyRule, response: Response<B>, guard: G) -> Response<Self> {
        let drops_body = rule.drops(response.status());
        response.map(|body| Self::held(body, Hold::new(guard), drops_body))
    }

    fn held(body: B, mut hold: Hold<G>, drops_body: bool) -> Self {
        let unsent = hold.begin(&body, drops_body);
        Self::begun(body, unsent, hold)
    }

    /// Goes on with a hold that has [begun](Hold::begin).
    #[inline]
    pub(super) fn begun(body: B, unsent: Option<u64>, hold: Hold<G>) -> Self {
        Self { body, unsent, hold }
    }
}

impl<B: Body, G: Guard> Body for GuardedBody<B, G> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        if let Some(guard) = this.hold.guard_mut() {
            guard.asked();
        }
        let frame = ready!(this.hold.polling(|| this.body.as_mut().poll_frame(cx)));
        match &frame {
            Some(Ok(frame)) => {
                let sent = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                *this.unsent = this.unsent.map(|unsent| unsent.saturating_sub(sent));
                if frame.is_trailers() || *this.unsent == Some(0) || this.body.is_end_stream() {
                    this.hold.end(End::Finished);
                } else if let Some(guard) = this.hold.guard_mut() {
                    guard.handed_on();
                }
            }
            Some(Err(_)) => this.hold.end(End::Failed),
            None => this.hold.end(End::Finished),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
