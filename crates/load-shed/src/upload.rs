//! A request that waits for its own body.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::Request;
use macadam_core::{RequestContext, Stage};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::alarm::Alarm;

pin_project! {
    /// Watches for how long a handler waits for its client's bytes: it does no work then, and a client that sends a
    /// byte a second could keep its slot for as long as it likes.
    pub(crate) struct Upload {
        context: RequestContext,
        waits_since: Option<Instant>,
        #[pin]
        alarm: Alarm,
    }
}

impl Upload {
    /// `None` where there is nothing to be seen: for a method that brings no body, or without a context in which
    /// whoever reads the body says that it waits.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Self> {
        if request.method().is_safe() {
            return None;
        }
        let context = RequestContext::get(request)?.clone();
        Some(Self { context, waits_since: None, alarm: Alarm::Unset })
    }

    /// Ready when the handler, which is pending, has waited for [`LONG`].
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.context.stage() != Stage::ReadingBody {
            *this.waits_since = None;
            this.alarm.set(Alarm::Unset);
            return Poll::Pending;
        }
        let since = *this.waits_since.get_or_insert_with(Instant::now);
        this.alarm.poll_at(since + LONG, Some(this.context), cx)
    }
}

/// The time in which a client that is not far away has sent what it had ready.
const LONG: Duration = Duration::from_millis(100);
