//! A request's body, with a clock on the client.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use macadam_core::{Outcome, RequestContext, Stage, body::Pace};
use pin_project_lite::pin_project;
use tokio::time::{Duration, Instant};

use super::RequestBodyTimeoutLayer;
use crate::{BoxError, alarm::Alarm, cause::TimeoutCause};

pin_project! {
    /// A request's body, with a clock on the client; made by [`RequestBodyTimeoutLayer`](crate::RequestBodyTimeoutLayer).
    ///
    /// # Cancel safety
    ///
    /// No frame is lost when a future that polls it is dropped. Dropped itself, it lets the deadline run on.
    #[derive(Debug)]
    pub struct RequestBody<B> {
        // `None` once it failed.
        #[pin]
        inner: Option<B>,
        // `None` where nothing is to come.
        wait: Option<Wait>,
    }
}

/// Why the body failed, for the future that answers then.
pub(super) type Verdict = Arc<OnceLock<TimeoutCause>>;

/// How the client is waited for.
#[derive(Debug)]
struct Wait {
    context: RequestContext,
    verdict: Verdict,
    idle: Duration,
    pace: Option<Pace>,
    /// Since when, and in which stage before that.
    since: Option<(Instant, Stage)>,
    alarm: Alarm,
}

impl<B: Body> RequestBody<B> {
    pub(super) fn new(
        inner: B,
        layer: RequestBodyTimeoutLayer,
        watch: Option<(RequestContext, Verdict)>,
    ) -> Self {
        let wait = watch.map(|(context, verdict)| Wait {
            context,
            verdict,
            idle: layer.idle,
            pace: layer.min_rate.map(Pace::new),
            since: None,
            alarm: Alarm::new(),
        });
        Self { inner: Some(inner), wait }
    }
}

impl<B> Body for RequestBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let frame = inner.as_mut().poll_frame(cx);
        let Some(wait) = this.wait else { return frame.map_err(Into::into) };
        let cause = match frame {
            Poll::Pending => {
                ready!(wait.poll_idle(cx));
                TimeoutCause::RequestIdle
            }
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, |data| data.remaining() as u64);
                let in_time = wait.end(bytes);
                // Whoever has sent all of it is not asked how fast that was.
                let is_last = frame.is_trailers() || inner.is_end_stream();
                if is_last {
                    *this.wait = None;
                    return Poll::Ready(Some(Ok(frame)));
                }
                if in_time {
                    return Poll::Ready(Some(Ok(frame)));
                }
                TimeoutCause::RequestRate
            }
            Poll::Ready(None) => {
                *this.wait = None;
                return Poll::Ready(None);
            }
            Poll::Ready(Some(Err(error))) => {
                *this.wait = None;
                this.inner.set(None);
                return Poll::Ready(Some(Err(error.into())));
            }
        };
        wait.context.settle(Outcome::TimedOut);
        let _ = wait.verdict.set(cause);
        *this.wait = None;
        this.inner.set(None);
        Poll::Ready(Some(Err(cause.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Wait {
    /// The handler waits. Ready when it has for too long.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let context = &self.context;
        let (since, _) = *self.since.get_or_insert_with(|| {
            let stage = context.stage();
            context.set_stage(Stage::ReadingBody);
            context.pause_deadline();
            (Instant::now(), stage)
        });
        match since.checked_add(self.idle) {
            Some(due) => self.alarm.poll(cx, due),
            None => Poll::Pending,
        }
    }

    /// So many bytes came; whether they did fast enough.
    fn end(&mut self, bytes: u64) -> bool {
        let waited = self.resume();
        self.pace.as_mut().is_none_or(|pace| pace.moved_after(waited, bytes))
    }

    /// The handler waits no longer; for how long it did.
    fn resume(&mut self) -> Duration {
        let Some((since, stage)) = self.since.take() else { return Duration::ZERO };
        self.context.resume_deadline();
        // Unless it has moved on, as with a response that began before its request had ended.
        if self.context.stage() == Stage::ReadingBody {
            self.context.set_stage(stage);
        }
        since.elapsed()
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.resume();
    }
}
