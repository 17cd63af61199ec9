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

/// Watches for how long a handler waits for its client's bytes: it does no work then, and a client that sends a
/// byte a second could keep its slot for as long as it likes.
pub(crate) struct Upload {
    context: RequestContext,
    /// Made when the handler has to wait, since hardly one does, and every request would carry its size.
    wait: Option<Pin<Box<Wait>>>,
}

pin_project! {
    struct Wait {
        since: Instant,
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
        Some(Self { context, wait: None })
    }

    /// Ready when the handler, which is pending, has waited for [`LONG`].
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.context.stage() != Stage::ReadingBody {
            self.wait = None;
            return Poll::Pending;
        }
        let wait = || Box::pin(Wait { since: Instant::now(), alarm: Alarm::Unset });
        let wait = self.wait.get_or_insert_with(wait).as_mut().project();
        wait.alarm.poll_at(*wait.since + LONG, Some(&self.context), cx)
    }
}

/// The time in which a client that is not far away has sent what it had ready.
const LONG: Duration = Duration::from_millis(100);
