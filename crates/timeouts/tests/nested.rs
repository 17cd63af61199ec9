//! Layers around each other share the request's one timer.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use macadam_core::{Gauges, RequestContext};
use macadam_timeouts::{Deadline, TimeoutHandle, TimeoutLayer};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(1);

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

fn with_context() -> (Request<()>, RequestContext) {
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    (request, context)
}

async fn pending(_: Request<()>) -> Result<Response<String>, Infallible> {
    std::future::pending().await
}

fn expired(handle: &TimeoutHandle) -> f64 {
    let mut sum = 0.0;
    handle.read(&mut |reading| sum += reading.value);
    sum
}

#[tokio::test(start_paused = true)]
async fn the_shorter_one_stands_wherever_it_is() {
    for (outer, inner) in [(LONG, SHORT), (SHORT, LONG), (SHORT, SHORT)] {
        for context in [false, true] {
            let request = if context { with_context().0 } else { Request::new(()) };
            let layers =
                ServiceBuilder::new().layer(TimeoutLayer::new(outer)).layer(TimeoutLayer::new(inner));
            let start = Instant::now();
            let response = layers.service_fn(pending).oneshot(request).await.unwrap();
            assert_eq!((response.status(), start.elapsed()), (StatusCode::GATEWAY_TIMEOUT, SHORT));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_asked_for_the_shorter_one_answers() {
    for (outer, inner, answers) in [(LONG, SHORT, [0.0, 1.0]), (SHORT, LONG, [1.0, 0.0])] {
        let (outer, outer_handle) = TimeoutLayer::new(outer).pair();
        let (inner, inner_handle) = TimeoutLayer::new(inner).pair();
        let layers = ServiceBuilder::new().layer(outer).layer(inner);
        layers.service_fn(pending).oneshot(with_context().0).await.unwrap();
        assert_eq!([expired(&outer_handle), expired(&inner_handle)], answers);
    }
}

#[tokio::test(start_paused = true)]
async fn nested_layers_arm_one_timer() {
    let timers = async |request| {
        let (middle, outer) = (LONG - SHORT, LONG);
        let layers = [outer, middle, SHORT].map(TimeoutLayer::new);
        let service = layers[0].layer(layers[1].layer(layers[2].layer(service_fn(pending))));
        let mut call = Box::pin(service.oneshot(request));
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        assert!(call.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        // Nothing is polled from here on, so every timer that was armed fires for itself.
        advance(2 * LONG).await;
        wakes.0.load(SeqCst)
    };
    assert_eq!(timers(with_context().0).await, 1);
    // The control: each of three layers that cannot know of each other has its own.
    assert_eq!(timers(Request::new(())).await, 3);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_lowered_inside_and_goes_back_when_the_inner_one_is_done() {
    let handler = service_fn(|request| async move {
        let deadline = Deadline::of(&request).unwrap();
        assert_eq!(deadline.remaining(), Some(SHORT));
        sleep(SHORT - TICK).await;
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let inner = TimeoutLayer::new(SHORT).layer(handler);
    let between = service_fn(move |request: Request<()>| {
        let (inner, deadline) = (inner.clone(), Deadline::of(&request).unwrap());
        async move {
            assert_eq!(deadline.remaining(), Some(LONG));
            inner.oneshot(request).await?;
            assert_eq!(deadline.remaining(), Some(LONG - SHORT + TICK));
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let start = Instant::now();
    let response = TimeoutLayer::new(LONG).layer(between).oneshot(with_context().0).await.unwrap();
    assert_eq!((response.status(), start.elapsed()), (StatusCode::GATEWAY_TIMEOUT, LONG));
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_the_inner_one_gives_the_deadline_back() {
    for polled in [false, true] {
        let (request, context) = with_context();
        let owner = context.own_timer().unwrap();
        context.set_deadline(Some(context.arrival() + LONG));
        let mut service = TimeoutLayer::new(SHORT).layer(service_fn(pending));
        service.ready().await.unwrap();
        let mut call = Box::pin(service.call(request));
        if polled {
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(context.deadline(), Some(context.arrival() + SHORT));
        drop(call);
        assert_eq!(context.deadline(), Some(context.arrival() + LONG));
        drop(owner);
    }
}

#[tokio::test(start_paused = true)]
async fn with_its_answer_the_inner_one_gives_the_deadline_back() {
    for work in [SHORT - TICK, SHORT + TICK] {
        let (request, context) = with_context();
        let _owner = context.own_timer().unwrap();
        context.set_deadline(Some(context.arrival() + LONG));
        let handler = service_fn(move |_: Request<()>| async move {
            sleep(work).await;
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let mut call = Box::pin(TimeoutLayer::new(SHORT).layer(handler).call(request));
        call.as_mut().await.unwrap();
        assert_eq!(context.deadline(), Some(context.arrival() + LONG));
        drop(call);
    }
}

#[tokio::test(start_paused = true)]
async fn an_inner_layer_that_starts_after_its_time_is_refused_and_its_handler_does_not_run() {
    let (handler, script) = macadam_test::service();
    let inner = TimeoutLayer::new(SHORT).layer(handler);
    let queue = service_fn(move |request: Request<()>| {
        let inner = inner.clone();
        async move {
            sleep(SHORT).await;
            inner.oneshot(request).await
        }
    });
    let response = TimeoutLayer::new(LONG).layer(queue).oneshot(with_context().0).await.unwrap();
    assert_eq!((response.status(), script.calls()), (StatusCode::SERVICE_UNAVAILABLE, 0));
}

/// Polls what is inside only when that was woken for itself, as `FuturesUnordered` does.
struct Aloof<F> {
    inner: Pin<Box<F>>,
    woken: Arc<Woken>,
}

struct Woken {
    fresh: AtomicUsize,
    outer: Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.fresh.store(1, SeqCst);
        if let Some(outer) = self.outer.lock().expect("no poll panics").take() {
            outer.wake();
        }
    }
}

impl<F> Aloof<F> {
    fn new(inner: F) -> Self {
        let woken = Woken { fresh: AtomicUsize::new(1), outer: Mutex::new(None) };
        Self { inner: Box::pin(inner), woken: Arc::new(woken) }
    }
}

impl<F: Future> Future for Aloof<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        *this.woken.outer.lock().expect("no poll panics") = Some(cx.waker().clone());
        if this.woken.fresh.swap(0, SeqCst) == 0 {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&this.woken));
        this.inner.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

#[tokio::test(start_paused = true)]
async fn the_outer_layer_answers_where_the_inner_one_is_not_polled() {
    let (inner, inner_handle) = TimeoutLayer::new(SHORT).pair();
    let inner = inner.layer(service_fn(pending));
    let aloof = service_fn(move |request: Request<()>| Aloof::new(inner.clone().oneshot(request)));
    let start = Instant::now();
    let response = TimeoutLayer::new(LONG).layer(aloof).oneshot(with_context().0).await.unwrap();
    assert_eq!((response.status(), start.elapsed()), (StatusCode::GATEWAY_TIMEOUT, SHORT));
    assert_eq!(expired(&inner_handle), 0.0);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_was_asked_for_is_given_and_one_that_nobody_takes_back_does_not_spin() {
    let polls = Arc::new(Mutex::new(Vec::new()));
    let handler = service_fn(|request: Request<()>| {
        let context = RequestContext::get(&request).unwrap().clone();
        let mut asked = None;
        let polls = Arc::clone(&polls);
        let start = context.arrival();
        std::future::poll_fn(move |_| {
            asked.get_or_insert_with(|| context.ask_wake(start + SHORT).expect("the timer has an owner"));
            polls.lock().unwrap().push(start.elapsed());
            Poll::<Result<Response<String>, Infallible>>::Pending
        })
    });
    let response = TimeoutLayer::new(LONG).layer(handler).oneshot(with_context().0).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(*polls.lock().unwrap(), [Duration::ZERO, SHORT, SHORT, LONG]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_called_for_a_request_that_is_late_by_the_deadline_of_a_layer_outside() {
    for (timeout, left) in [(LONG, Duration::ZERO), (SHORT, Duration::ZERO), (LONG, TICK)] {
        let (request, context) = with_context();
        let _outer = context.own_timer().expect("nobody else has it");
        context.set_deadline(Some(Instant::now() + LONG));
        advance(LONG - left).await;
        let calls = Arc::new(AtomicUsize::new(0));
        let service = service_fn({
            let calls = Arc::clone(&calls);
            move |_: Request<()>| {
                calls.fetch_add(1, SeqCst);
                std::future::ready(Ok::<_, Infallible>(Response::new(String::new())))
            }
        });
        let response = TimeoutLayer::new(2 * timeout).layer(service).oneshot(request).await.unwrap();
        let (status, called) = match left {
            Duration::ZERO => (StatusCode::SERVICE_UNAVAILABLE, 0),
            _ => (StatusCode::OK, 1),
        };
        assert_eq!((response.status(), calls.load(SeqCst)), (status, called), "{timeout:?} {left:?}");
    }
}
