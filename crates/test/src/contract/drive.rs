//! Requests driven by hand, poll by poll, so that nothing happens between two looks.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};

use super::Layered;
use crate::{BodyHandle, Exchange, Refused, Script, ScriptedBody, Step};

/// How many turns the tasks of a layer get before something counts as never happening.
const TURNS: usize = 64;

/// A waker that counts.
#[derive(Default)]
pub(super) struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Wakes {
    pub(super) fn count(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// Looks again and again, with a turn for everyone else in between.
pub(super) async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..TURNS {
        if let Some(seen) = look() {
            return Some(seen);
        }
        tokio::task::yield_now().await;
    }
    None
}

/// Polls until it is ready, and fails as a breach of `rule` if it never is.
pub(super) async fn ready<T>(rule: &str, what: &str, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let look = || match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    };
    match eventually(look).await {
        Some(value) => value,
        None => broken(rule, &format!("{what} never comes")),
    }
}

pub(super) fn broken(rule: &str, how: &str) -> ! {
    panic!("contract broken: {rule}: {how}")
}

/// Fails as a breach of `rule` unless `kept`.
pub(super) fn keeps(rule: &str, kept: bool, how: &str) {
    if !kept {
        broken(rule, how);
    }
}

/// One request on its way.
pub(super) struct Ride<S: Layered> {
    pub(super) future: Pin<Box<S::Future>>,
    pub(super) request_body: BodyHandle,
    pub(super) wakes: Arc<Wakes>,
}

impl<S: Layered> Ride<S> {
    /// Readies the service and calls it.
    pub(super) async fn start(rule: &str, service: &mut S) -> Self {
        let request = Request::new(ScriptedBody::new([Step::data("request")]));
        Self::start_with(rule, service, request).await
    }

    pub(super) async fn start_with(rule: &str, service: &mut S, request: Request<ScriptedBody>) -> Self {
        let readied = ready(rule, "readiness", |cx| service.poll_ready(cx)).await;
        keeps(rule, readied.is_ok(), "poll_ready fails though the inner service is ready");
        Self::call(service, request)
    }

    /// Calls a service that is ready.
    pub(super) fn call(service: &mut S, request: Request<ScriptedBody>) -> Self {
        let request_body = request.body().handle();
        Self { future: Box::pin(service.call(request)), request_body, wakes: Arc::default() }
    }

    pub(super) fn poll(&mut self) -> Poll<Result<Response<S::Body>, Refused>> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.future.as_mut().poll(&mut Context::from_waker(&waker))
    }

    /// Polls until the inner service has the request.
    pub(super) async fn arrive(&mut self, rule: &str, script: &Script) -> Exchange {
        let look = || match self.poll() {
            Poll::Pending => script.try_next_call(),
            Poll::Ready(Ok(response)) => {
                broken(rule, &format!("{} is answered before the service has", response.status()))
            }
            Poll::Ready(Err(Refused)) => broken(rule, "an error is made up"),
        };
        match eventually(look).await {
            Some(exchange) => exchange,
            None => broken(rule, "the request never reaches the service"),
        }
    }

    /// Polls until there is a response.
    pub(super) async fn response(&mut self, rule: &str) -> Response<S::Body> {
        match ready(rule, "the response", |_| self.poll()).await {
            Ok(response) => response,
            Err(Refused) => broken(rule, "an error is made up"),
        }
    }

    /// Polls once, and drops the future while the panic unwinds, as a runtime does. `None` if it panicked.
    pub(super) fn poll_to_panic(mut self) -> Option<Poll<Result<Response<S::Body>, Refused>>> {
        catch_unwind(AssertUnwindSafe(move || self.poll())).ok()
    }
}

/// The body of a response, read frame by frame.
pub(super) struct Read<B> {
    pub(super) body: Pin<Box<B>>,
    pub(super) wakes: Arc<Wakes>,
}

impl<B: Body<Data = Bytes>> Read<B> {
    pub(super) fn new(response: Response<B>) -> Self {
        Self { body: Box::pin(response.into_body()), wakes: Arc::default() }
    }

    pub(super) fn poll(&mut self) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        self.body.as_mut().poll_frame(&mut Context::from_waker(&waker))
    }

    /// The next frame, if it is one of data.
    pub(super) async fn data(&mut self, rule: &str) -> Option<Bytes> {
        match ready(rule, "the next frame", |_| self.poll()).await {
            Some(Ok(frame)) => frame.into_data().ok(),
            Some(Err(_)) => broken(rule, "the body fails though the service's did not"),
            None => None,
        }
    }

    /// Whether the next frame is a panic, or the error that a layer has made of one.
    pub(super) fn polls_to_failure(mut self) -> bool {
        let poll = catch_unwind(AssertUnwindSafe(move || self.poll().map_ok(drop).map_err(drop)));
        matches!(poll, Err(_) | Ok(Poll::Ready(Some(Err(())))))
    }
}
