//! One layer, from the arrival to the head of the response.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use macadam_core::{
    Gauges, Kind, Outcome, Rejection, Render, RequestContext, Wire,
    context::{Lowered, TimerOwner},
};
use macadam_timeouts::{TimeoutBody, TimeoutHandle, TimeoutLayer};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, service_fn};

type Make = fn() -> (TimeoutLayer, Request<()>);
type Answer = Response<TimeoutBody<Full<Bytes>>>;

const LIMIT: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(1);

/// Sends a request to a handler that works for so long, and says how long the answer took.
async fn send(layer: &TimeoutLayer, request: Request<()>, work: Duration) -> (Answer, Duration) {
    let handler = service_fn(move |_| async move {
        sleep(work).await;
        Ok::<_, Infallible>(Response::new(Full::from("done")))
    });
    let start = Instant::now();
    let response = layer.layer(handler).oneshot(request).await.expect("the service cannot fail");
    (response, start.elapsed())
}

fn with_context() -> (Request<()>, RequestContext) {
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    (request, context)
}

/// A request without a context, one that a layer outside made, and one that the layer makes; each arrives when made.
const EVERYWHERE: [Make; 3] = [
    || (TimeoutLayer::new(LIMIT), Request::new(())),
    || (TimeoutLayer::new(LIMIT), with_context().0),
    || (TimeoutLayer::new(LIMIT).expose(), Request::new(())),
];

async fn text(response: Answer) -> String {
    let body = response.into_body().collect().await.expect("the body is whole").to_bytes();
    String::from_utf8_lossy(&body).into()
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_answers_one_tick_before_the_deadline_is_heard() {
    for make in EVERYWHERE {
        let (layer, request) = make();
        let (response, took) = send(&layer, request, LIMIT - TICK).await;
        assert_eq!((response.status(), took), (StatusCode::OK, LIMIT - TICK));
        assert_eq!(text(response).await, "done");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_would_answer_one_tick_after_the_deadline_is_answered_504_at_the_deadline() {
    for make in EVERYWHERE {
        let (layer, request) = make();
        let (response, took) = send(&layer, request, LIMIT + TICK).await;
        assert_eq!((response.status(), took), (StatusCode::GATEWAY_TIMEOUT, LIMIT));
        assert_eq!(response.extensions().get::<Rejection>().unwrap().kind(), Kind::DeadlineExceeded);
        assert!(!response.headers().contains_key("connection"), "the client did nothing wrong");
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_ready_at_the_tick_of_the_deadline_wins() {
    for make in EVERYWHERE {
        let (layer, request) = make();
        let (response, took) = send(&layer, request, LIMIT).await;
        assert_eq!((response.status(), took), (StatusCode::OK, LIMIT));
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_context_the_time_runs_from_the_arrival() {
    let (request, _) = with_context();
    sleep(LIMIT - TICK).await;
    let (response, took) = send(&TimeoutLayer::new(LIMIT), request, LIMIT).await;
    assert_eq!((response.status(), took), (StatusCode::GATEWAY_TIMEOUT, TICK));
}

#[tokio::test(start_paused = true)]
async fn zero_is_refused_with_503_and_the_handler_does_not_run() {
    for (layer, request) in [
        (TimeoutLayer::new(Duration::ZERO), Request::new(())),
        (TimeoutLayer::new(Duration::ZERO), with_context().0),
        (TimeoutLayer::new(Duration::ZERO).expose(), Request::new(())),
    ] {
        let (handler, script) = macadam_test::service();
        let response = layer.layer(handler).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.extensions().get::<Rejection>().unwrap().kind(), Kind::Deadline);
        assert_eq!(script.calls(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passed_on_the_way_is_refused_with_503_and_the_handler_does_not_run() {
    for (waited, calls) in [(LIMIT - TICK, 1), (LIMIT, 0)] {
        let (request, context) = with_context();
        context.inherit_deadline(context.arrival() + LIMIT);
        sleep(waited).await;
        let (handler, script) = macadam_test::service();
        let response = TimeoutLayer::new(LIMIT).layer(handler).oneshot(request).await.unwrap();
        let status = if calls == 0 { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::GATEWAY_TIMEOUT };
        assert_eq!((response.status(), script.calls()), (status, calls));
        assert_eq!(context.outcome(), Outcome::TimedOut);
    }
}

#[tokio::test(start_paused = true)]
async fn the_longest_duration_never_ends_a_request() {
    let century = Duration::from_secs(100 * 365 * 24 * 60 * 60);
    for (layer, request) in [
        (TimeoutLayer::new(Duration::MAX), Request::new(())),
        (TimeoutLayer::new(Duration::MAX), with_context().0),
        (TimeoutLayer::new(10 * century), Request::new(())),
        (TimeoutLayer::new(10 * century), with_context().0),
    ] {
        let (response, _) = send(&layer, request, Duration::from_secs(365 * 24 * 60 * 60)).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_the_handler_is_dropped_and_the_request_is_settled_before() {
    struct Witness(RequestContext, Arc<AtomicUsize>);

    impl Drop for Witness {
        fn drop(&mut self) {
            assert_eq!(self.0.outcome(), Outcome::TimedOut);
            self.1.fetch_add(1, SeqCst);
        }
    }

    let dropped = Arc::new(AtomicUsize::new(0));
    let (request, context) = with_context();
    let witness = Arc::new(Witness(context.clone(), Arc::clone(&dropped)));
    let weak = Arc::downgrade(&witness);
    let mut witness = Some(witness);
    let handler = service_fn(move |_| {
        let witness = witness.take();
        async move {
            std::future::pending::<()>().await;
            drop(witness);
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }
    });
    // The future is kept: what it lets go, it lets go by itself.
    let mut call = Box::pin(TimeoutLayer::new(LIMIT).layer(handler).call(request));
    let response = call.as_mut().await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!((dropped.load(SeqCst), weak.strong_count()), (1, 0), "the handler outlives its answer");
    assert!(context.own_timer().is_some(), "the timer outlives the answer");
}

#[tokio::test(start_paused = true)]
async fn with_its_answer_a_future_gives_the_timer_back() {
    let (request, context) = with_context();
    let handler = service_fn(|_| async {
        sleep(LIMIT - TICK).await;
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    });
    let mut call = Box::pin(TimeoutLayer::new(LIMIT).layer(handler).call(request));
    assert_eq!(call.as_mut().await.unwrap().status(), StatusCode::OK);
    assert!(context.own_timer().is_some());
    drop(call);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_service_passes_through() {
    let (handler, script) = macadam_test::service();
    let call = tokio::spawn(TimeoutLayer::new(LIMIT).layer(handler).oneshot(Request::new(())));
    script.next_call().await.fail();
    assert!(call.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_problem_names_the_request() {
    let (request, context) = with_context();
    context.set_request_id("01J-42").unwrap();
    let (response, _) = send(&TimeoutLayer::new(LIMIT), request, Duration::MAX).await;
    assert_eq!(response.headers()["content-type"], "application/problem+json");
    let text = text(response).await;
    assert!(text.contains(r#""type":"urn:problem-type:macadam:deadline-exceeded""#), "{text}");
    assert!(text.contains(r#""request_id":"01J-42""#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn grpc_is_answered_with_status_4_whether_the_handler_ran_or_not() {
    for limit in [LIMIT, Duration::ZERO] {
        for exposed in [false, true] {
            let request = Request::post("/").header("content-type", "application/grpc").body(()).unwrap();
            let layer = TimeoutLayer::new(limit);
            let layer = if exposed { layer.expose() } else { layer };
            let (response, took) = send(&layer, request, Duration::MAX).await;
            assert_eq!((response.status(), took), (StatusCode::OK, limit));
            assert_eq!(response.headers()["grpc-status"], "4");
            assert_eq!(text(response).await, "");
        }
    }
}

struct Line(&'static str);

impl Render for Line {
    fn render(&self, _: &Rejection, _: &Wire, _: Option<&RequestContext>) -> Response<Bytes> {
        Response::new(self.0.into())
    }
}

#[tokio::test(start_paused = true)]
async fn the_layers_own_form_goes_before_the_contexts() {
    let (request, context) = with_context();
    context.set_renderer(Arc::new(Line("the context's")));
    let plain = TimeoutLayer::new(LIMIT);
    let (response, _) = send(&plain, request, Duration::MAX).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(text(response).await, "the context's");

    let (request, context) = with_context();
    context.set_renderer(Arc::new(Line("the context's")));
    let own = plain.on_rejection(Line("the layer's"));
    for request in [request, Request::new(())] {
        let (response, _) = send(&own, request, Duration::MAX).await;
        assert_eq!(text(response).await, "the layer's");
    }
}

fn counted(handle: &TimeoutHandle) -> Vec<(String, f64)> {
    let mut seen = Vec::new();
    handle.read(&mut |reading| {
        if reading.name == "macadam_timeouts_expired_total" {
            let [("cause", cause)] = reading.labels else { panic!("{:?}", reading.labels) };
            seen.push(((*cause).to_owned(), reading.value));
        }
    });
    seen
}

#[tokio::test(start_paused = true)]
async fn what_expires_is_counted_by_cause_and_what_does_not_is_not() {
    let (layer, handle) = TimeoutLayer::new(LIMIT).pair();
    // A setter after the handle was given out keeps it.
    let layer = layer.on_rejection(Line("late"));
    send(&layer, Request::new(()), LIMIT).await;
    send(&layer, Request::new(()), LIMIT + TICK).await;
    send(&layer.clone(), with_context().0, LIMIT + TICK).await;
    let (request, context) = with_context();
    context.inherit_deadline(context.arrival());
    send(&layer, request, LIMIT).await;
    let (request, context) = with_context();
    context.inherit_deadline(context.arrival() + TICK);
    send(&layer, request, LIMIT).await;
    let expected = [
        ("on-arrival", 1.0),
        ("deadline", 2.0),
        ("inherited", 1.0),
        ("response-deadline", 0.0),
        ("response-idle", 0.0),
    ];
    assert_eq!(counted(&handle), expected.map(|(cause, count)| (cause.to_owned(), count)));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_uses_up_its_budget_still_times_out() {
    async fn busy() {
        for _ in 0..100_000 {
            tokio::task::consume_budget().await;
        }
    }

    // The control: a timer polled within the budget is starved.
    let control = tokio::spawn(async {
        let (mut busy, mut timer) = (Box::pin(busy()), Box::pin(sleep(LIMIT)));
        std::future::poll_fn(|cx| match busy.as_mut().poll(cx) {
            std::task::Poll::Ready(()) => std::task::Poll::Ready("starved"),
            std::task::Poll::Pending => timer.as_mut().poll(cx).map(|()| "fired"),
        })
        .await
    });
    tokio::task::yield_now().await;
    tokio::time::advance(LIMIT).await;
    assert_eq!(control.await.unwrap(), "starved");

    for make in EVERYWHERE {
        let (layer, request) = make();
        let handler = service_fn(|_| async {
            busy().await;
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let call = tokio::spawn(layer.layer(handler).oneshot(request));
        tokio::task::yield_now().await;
        tokio::time::advance(LIMIT).await;
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    }
}

#[tokio::test]
async fn it_works_in_real_time_on_a_local_set() {
    let layer = TimeoutLayer::new(Duration::from_millis(20));
    let local = tokio::task::LocalSet::new();
    let (response, took) = local.run_until(send(&layer, Request::new(()), Duration::MAX)).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(took >= Duration::from_millis(20), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_works_in_real_time_on_several_threads() {
    let calls: Vec<_> = (0..64)
        .map(|number| {
            tokio::spawn(async move {
                let layer = TimeoutLayer::new(Duration::from_millis(20));
                let request = if number % 2 == 0 { Request::new(()) } else { with_context().0 };
                send(&layer, request, Duration::MAX).await.0.status()
            })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), StatusCode::GATEWAY_TIMEOUT);
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_point_it_gives_the_timer_back() {
    for polled in [false, true] {
        let (handler, script) = macadam_test::service();
        let (request, context) = with_context();
        let mut service = TimeoutLayer::new(LIMIT).layer(handler);
        ServiceExt::<Request<()>>::ready(&mut service).await.unwrap();
        let mut call = Box::pin(service.call(request));
        if polled {
            assert!(futures_poll(call.as_mut()).await.is_none());
        }
        assert!(context.own_timer().is_none(), "nobody owns the timer while a call is under way");
        drop(call);
        assert_eq!(script.live_futures(), 0);
        assert!(context.own_timer().is_some());
    }
}

async fn futures_poll<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
    std::future::poll_fn(move |cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn what_a_future_holds_may_move_between_threads() {
    fn moves<T: Send + Sync + Unpin>() {}
    moves::<Lowered>();
    moves::<TimerOwner>();
    moves::<TimeoutLayer>();
    moves::<TimeoutHandle>();
}
