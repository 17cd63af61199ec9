//! The contract suite passes what is right, and finds each thing that it is there to find.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use macadam_core::{BodyRule, End, Guard, GuardedBody, GuardedFuture};
use macadam_test::{Refused, ScriptedBody, ScriptedService, contract};
use tokio::task::{LocalSet, spawn_local};
use tower_layer::{Layer, layer_fn};
use tower_service::Service;

#[tokio::test(start_paused = true)]
async fn a_layer_that_does_nothing_keeps_it() {
    contract::check(layer_fn(|service: ScriptedService| service)).await;
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_counts_by_guards_keeps_it() {
    let counting = Counting::default();
    let count = Arc::clone(&counting.in_flight);
    contract::check_with(counting, move || count.load(SeqCst)).await;
}

#[tokio::test(start_paused = true)]
async fn a_layer_with_no_fault_keeps_it() {
    contract::check(layer_fn(|inner| Faulty { inner, fault: Fault::None })).await;
}

#[tokio::test(start_paused = true)]
async fn each_fault_is_found_and_named() {
    for (fault, breach) in [
        (Fault::CallsAnUnreadiedClone, "the readied instance is the one called"),
        (Fault::IsAlwaysReady, "poll_ready forwards what the inner service says: it is ready though"),
        (
            Fault::SwallowsReadinessError,
            "poll_ready forwards what the inner service says: it succeeds though",
        ),
        (Fault::LosesRequestHeaders, "the request passes through unchanged: a header's values"),
        (Fault::ReplacesRequestBody, "the request passes through unchanged: the body"),
        (Fault::LosesResponseHeaders, "the response passes through unchanged: a header's values"),
        (Fault::LosesTrailers, "the response passes through unchanged: the trailers"),
        (Fault::ForgetsSizeHint, "size_hint and is_end_stream survive: size_hint is None where 12"),
        (Fault::ForgetsEnd, "size_hint and is_end_stream survive: is_end_stream is false where 0"),
        (Fault::SwallowsError, "the service's error passes through unchanged: it became a response of 500"),
        (Fault::SwallowsBodyError, "the service's error passes through unchanged: the body's"),
        (Fault::LosesWake, "a wake from inside reaches the outer task: the future's"),
        (Fault::LosesBodyWake, "a wake from inside reaches the outer task: the body's"),
        (Fault::DropsNothing, "what is dropped is dropped all the way down"),
        (Fault::SwallowsPanic, "a panic is not swallowed"),
    ] {
        finds(layer_fn(move |inner| Faulty { inner, fault }), || 0, breach).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_count_that_is_not_given_back_is_found() {
    for leaks in [End::Finished, End::Failed, End::Dropped, End::Panicked] {
        let counting = Counting { leaks: Some(leaks), ..Counting::default() };
        let count = Arc::clone(&counting.in_flight);
        finds(counting, move || count.load(SeqCst), "in flight where none is").await;
    }
}

/// Fails unless the check panics, and says `breach`.
async fn finds<L, S>(layer: L, in_flight: impl Fn() -> usize + Send + Sync + 'static, breach: &str)
where
    L: Layer<ScriptedService, Service = S> + Send + Sync + Unpin + 'static,
    S: contract::Layered,
{
    let checked = async { contract::check_with(layer, in_flight).await };
    let checked = LocalSet::new().run_until(async { spawn_local(checked).await }).await;
    let panic = checked.expect_err(breach).into_panic();
    let message = panic.downcast::<String>().expect("the check panics with a message");
    assert!(message.contains(breach), "{breach}: {message}");
}

/// Counts requests in flight the way a layer of macadam does.
#[derive(Clone, Default)]
struct Counting {
    in_flight: Arc<AtomicUsize>,
    leaks: Option<End>,
}

#[derive(Clone)]
struct Counted<S> {
    inner: S,
    layer: Counting,
}

struct Place(Counting);

impl<S> Layer<S> for Counting {
    type Service = Counted<S>;

    fn layer(&self, inner: S) -> Counted<S> {
        Counted { inner, layer: self.clone() }
    }
}

impl Guard for Place {
    fn end(self, end: End) {
        if self.0.leaks != Some(end) {
            self.0.in_flight.fetch_sub(1, SeqCst);
        }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for Counted<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
    ResB: Body,
{
    type Response = Response<GuardedBody<ResB, Place>>;
    type Error = S::Error;
    type Future = GuardedFuture<S::Future, Place>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let rule = BodyRule::of(request.method());
        self.layer.in_flight.fetch_add(1, SeqCst);
        GuardedFuture::new(self.inner.call(request), rule, Place(self.layer.clone()))
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    CallsAnUnreadiedClone,
    IsAlwaysReady,
    SwallowsReadinessError,
    LosesRequestHeaders,
    ReplacesRequestBody,
    LosesResponseHeaders,
    LosesTrailers,
    ForgetsSizeHint,
    ForgetsEnd,
    SwallowsError,
    SwallowsBodyError,
    LosesWake,
    LosesBodyWake,
    DropsNothing,
    SwallowsPanic,
}

#[derive(Clone)]
struct Faulty {
    inner: ScriptedService,
    fault: Fault,
}

struct FaultyBody {
    inner: ScriptedBody,
    fault: Fault,
}

impl Service<Request<ScriptedBody>> for Faulty {
    type Response = Response<FaultyBody>;
    type Error = Refused;
    type Future = Pin<Box<dyn Future<Output = Result<Response<FaultyBody>, Refused>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        let readied = Service::<Request<ScriptedBody>>::poll_ready(&mut self.inner, cx);
        match (self.fault, readied) {
            (Fault::IsAlwaysReady, Poll::Pending) => Poll::Ready(Ok(())),
            (Fault::SwallowsReadinessError, Poll::Ready(Err(Refused))) => Poll::Ready(Ok(())),
            (_, readied) => readied,
        }
    }

    fn call(&mut self, mut request: Request<ScriptedBody>) -> Self::Future {
        let fault = self.fault;
        match fault {
            Fault::LosesRequestHeaders => request.headers_mut().clear(),
            Fault::ReplacesRequestBody => *request.body_mut() = ScriptedBody::empty(),
            _ => {}
        }
        let mut inner = if fault == Fault::CallsAnUnreadiedClone {
            Box::pin(self.inner.clone().call(request))
        } else {
            Box::pin(self.inner.call(request))
        };
        let answered = async move {
            let response = std::future::poll_fn(|cx| match fault {
                Fault::LosesWake => inner.as_mut().poll(&mut noop()),
                Fault::SwallowsPanic => {
                    let polled = std::panic::AssertUnwindSafe(|| inner.as_mut().poll(cx));
                    std::panic::catch_unwind(polled).unwrap_or(Poll::Ready(Err(Refused)))
                }
                _ => inner.as_mut().poll(cx),
            });
            let mut response = match response.await {
                Err(Refused) if fault == Fault::SwallowsError => {
                    let mut response = Response::<ScriptedBody>::default();
                    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                    response
                }
                answered => answered?,
            };
            if fault == Fault::LosesResponseHeaders {
                response.headers_mut().clear();
            }
            Ok(response.map(|inner| FaultyBody { inner, fault }))
        };
        if fault == Fault::DropsNothing {
            let task = spawn_local(answered);
            Box::pin(async { task.await.expect("the task ends") })
        } else {
            Box::pin(answered)
        }
    }
}

impl Body for FaultyBody {
    type Data = Bytes;
    type Error = Refused;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Refused>>> {
        let fault = self.fault;
        let inner = Pin::new(&mut self.inner);
        let frame = if fault == Fault::LosesBodyWake {
            ready!(inner.poll_frame(&mut noop()))
        } else {
            ready!(inner.poll_frame(cx))
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) if fault == Fault::LosesTrailers && frame.is_trailers() => None,
            Some(Err(Refused)) if fault == Fault::SwallowsBodyError => None,
            frame => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.fault != Fault::ForgetsEnd && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.fault == Fault::ForgetsSizeHint { SizeHint::default() } else { self.inner.size_hint() }
    }
}

fn noop() -> Context<'static> {
    Context::from_waker(std::task::Waker::noop())
}
