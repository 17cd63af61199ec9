//! The response's body, from the head to its last frame.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    convert::Infallible,
    error::Error,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use macadam_core::{End, Gauges, Guard, GuardedBody, Outcome, RequestContext};
use macadam_test::{BodyHandle, ScriptedBody, Step};
use macadam_timeouts::{Deadline, TimeoutBody, TimeoutCause, TimeoutHandle, TimeoutLayer};
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(3600);

type Make = fn() -> (Request<()>, Option<RequestContext>);

/// A request without a context, and one with.
const EVERYWHERE: [Make; 2] = [
    || (Request::new(()), None),
    || {
        let mut request = Request::new(());
        let context = RequestContext::of(&mut request);
        (request, Some(context))
    },
];

/// The response that a service behind `layer` gives `request`, after it has waited for an instant.
async fn respond<B: Body + Send + 'static>(
    layer: &TimeoutLayer,
    request: Request<()>,
    response: Response<B>,
) -> Response<TimeoutBody<B>> {
    let mut response = Some(response);
    let handler = service_fn(move |_| {
        let response = response.take().unwrap();
        async move {
            // So that without a context too the clock starts here.
            tokio::task::yield_now().await;
            Ok::<_, Infallible>(response)
        }
    });
    layer.layer(handler).oneshot(request).await.unwrap()
}

/// An answer with this content type.
fn of_type<B>(content_type: &str, body: B) -> Response<B> {
    Response::builder().header("content-type", content_type).body(body).unwrap()
}

/// A body that hands on a frame, and waits for the wake that its handle gives, before each that follows.
fn stalling() -> (ScriptedBody, BodyHandle) {
    let body = ScriptedBody::new([Step::data("one"), Step::pending(), Step::data("two"), Step::pending()])
        .unknown_end();
    let handle = body.handle();
    (body, handle)
}

/// A frame after every interval, the next one due from when it is asked for.
struct Ticking {
    every: Duration,
    left: usize,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

fn ticking(every: Duration, frames: usize) -> Ticking {
    Ticking { every, left: frames, sleep: None }
}

impl Body for Ticking {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let every = self.every;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep(every)));
        std::task::ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"tick")))))
    }
}

/// Always has a frame.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"more")))))
    }
}

/// Reads to the end; how many frames came, how it ended, and after how long.
async fn read<B>(body: B) -> (usize, Option<TimeoutCause>, Duration)
where
    B: Body<Data = Bytes, Error = Box<dyn Error + Send + Sync>>,
{
    let start = Instant::now();
    let mut body = std::pin::pin!(body);
    let mut frames = 0;
    loop {
        match body.frame().await {
            Some(Ok(_)) => frames += 1,
            Some(Err(error)) => return (frames, error.downcast_ref().copied(), start.elapsed()),
            None => return (frames, None, start.elapsed()),
        }
    }
}

fn cut(handle: &TimeoutHandle) -> [f64; 2] {
    let mut cut = Vec::new();
    handle.read(&mut |reading| {
        if let [("cause", "response-deadline" | "response-idle")] = reading.labels {
            cut.push(reading.value);
        }
    });
    cut.try_into().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_of_unknown_length_that_stalls_is_cut_at_the_deadline_and_not_a_tick_before() {
    for make in EVERYWHERE {
        let (request, context) = make();
        let (layer, handle) = TimeoutLayer::new(LIMIT).pair();
        let (body, script) = stalling();
        let start = Instant::now();
        let mut body = respond(&layer, request, Response::new(body)).await.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
        assert!(tokio::time::timeout(LIMIT - TICK, body.frame()).await.is_err());
        assert!(!script.is_dropped());
        let error = body.frame().await.unwrap().unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&TimeoutCause::ResponseDeadline));
        assert_eq!(start.elapsed(), LIMIT);
        assert!(script.is_dropped(), "what it held is free");
        assert!(body.frame().await.is_none(), "it has ended");
        assert!(body.is_end_stream());
        assert_eq!(context.map_or(Outcome::TimedOut, |context| context.outcome()), Outcome::TimedOut);
        assert_eq!(cut(&handle), [1.0, 0.0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_ready_at_the_tick_of_the_deadline_is_sent() {
    for make in EVERYWHERE {
        let layer = TimeoutLayer::new(LIMIT);
        let body = respond(&layer, make().0, Response::new(ticking(LIMIT, 1))).await.into_body();
        assert_eq!(read(body).await, (1, None, LIMIT));
        let body = respond(&layer, make().0, Response::new(ticking(LIMIT + TICK, 1))).await.into_body();
        assert_eq!(read(body).await, (0, Some(TimeoutCause::ResponseDeadline), LIMIT));
    }
}

#[tokio::test(start_paused = true)]
async fn steady_frames_do_not_move_the_deadline() {
    for make in EVERYWHERE {
        let layer = TimeoutLayer::new(LIMIT).response_body_idle(IDLE);
        let body = respond(&layer, make().0, Response::new(ticking(IDLE - TICK, 10))).await.into_body();
        assert_eq!(read(body).await, (3, Some(TimeoutCause::ResponseDeadline), LIMIT));
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_with_the_head_of_a_response_of_known_length() {
    for make in EVERYWHERE {
        let layer = TimeoutLayer::new(LIMIT);
        let by_body = Response::new(ScriptedBody::new([Step::pending(), Step::data("one")]).exact_size());
        let by_head = {
            let mut response = Response::new(ScriptedBody::new([Step::pending(), Step::data("one")]));
            response.headers_mut().insert("content-length", 3.into());
            response
        };
        for response in [by_body, by_head] {
            let script = response.body().handle();
            let mut body = respond(&layer, make().0, response).await.into_body();
            assert!(tokio::time::timeout(LONG, body.frame()).await.is_err());
            script.wake();
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_silent_for_too_long_is_cut_whether_its_length_is_known_or_not() {
    for make in EVERYWHERE {
        let (layer, handle) = TimeoutLayer::new(LIMIT).response_body_idle(IDLE).pair();
        let known = Response::builder().header("content-length", 12).body(ticking(IDLE, 3)).unwrap();
        let body = respond(&layer, make().0, known).await.into_body();
        assert_eq!(read(body).await, (3, None, 3 * IDLE));

        let known = Response::builder().header("content-length", 12).body(ticking(IDLE + TICK, 3)).unwrap();
        let (request, context) = make();
        let body = respond(&layer, request, known).await.into_body();
        assert_eq!(read(body).await, (0, Some(TimeoutCause::ResponseIdle), IDLE));
        assert_eq!(context.map_or(Outcome::TimedOut, |context| context.outcome()), Outcome::TimedOut);

        let body = respond(&layer, make().0, Response::new(ticking(IDLE + TICK, 3))).await.into_body();
        assert_eq!(read(body).await, (0, Some(TimeoutCause::ResponseIdle), IDLE));
        assert_eq!(cut(&handle), [0.0, 2.0]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_idle_clock_is_off_while_nobody_asks_for_a_frame() {
    for make in EVERYWHERE {
        let layer = TimeoutLayer::new(Duration::MAX).response_body_idle(IDLE);
        let (body, script) = stalling();
        let mut body = respond(&layer, make().0, Response::new(body)).await.into_body();
        // The client reads slowly: it is the one that is late.
        for data in ["one", "two"] {
            sleep(LONG).await;
            assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), data);
            script.wake();
        }
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn each_wait_has_the_whole_of_the_idle_time() {
    for make in EVERYWHERE {
        let layer = TimeoutLayer::new(Duration::MAX).response_body_idle(IDLE);
        let body = respond(&layer, make().0, Response::new(ticking(IDLE - TICK, 100))).await.into_body();
        assert_eq!(read(body).await, (100, None, 100 * (IDLE - TICK)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_always_ready_is_cut_by_twice_its_time_or_32_frames_later() {
    for make in EVERYWHERE {
        for (between, most) in [(IDLE, 8), (LIMIT / 100, 132), (TICK, 3032)] {
            let layer = TimeoutLayer::new(LIMIT);
            let mut body = respond(&layer, make().0, Response::new(Endless)).await.into_body();
            let (mut frames, mut error) = (0, None);
            while error.is_none() {
                advance(between).await;
                // Nothing here ever waits.
                let Poll::Ready(Some(frame)) =
                    Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()))
                else {
                    panic!("it is always ready")
                };
                error = frame.err();
                frames += 1;
            }
            assert_eq!(error.unwrap().downcast_ref(), Some(&TimeoutCause::ResponseDeadline));
            assert!(frames <= most, "{frames} frames");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_frame_is_not_thrown_away_for_being_late() {
    let layer = TimeoutLayer::new(LIMIT);
    let trailers = HeaderMap::from_iter([("x-last".parse().unwrap(), "one".parse().unwrap())]);
    for last in [Step::data("last"), Step::trailers(trailers)] {
        let body = ScriptedBody::new([last]);
        let mut body = respond(&layer, EVERYWHERE[1]().0, Response::new(body)).await.into_body();
        sleep(LONG).await;
        assert!(body.frame().await.unwrap().is_ok());
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_outlives_the_deadline_and_has_an_idle_clock_of_its_own() {
    for content_type in ["text/event-stream", "multipart/x-mixed-replace; boundary=b", "application/grpc-web"]
    {
        for make in EVERYWHERE {
            let layer = TimeoutLayer::new(LIMIT).response_body_idle(IDLE);
            let stream = of_type(content_type, ticking(LIMIT, 3));
            let body = respond(&layer, make().0, stream).await.into_body();
            assert_eq!(read(body).await, (3, None, 3 * LIMIT), "{content_type}");

            let layer = layer.stream_idle(2 * IDLE);
            let stream = of_type(content_type, ticking(2 * IDLE, 3));
            let body = respond(&layer, make().0, stream).await.into_body();
            assert_eq!(read(body).await, (3, None, 6 * IDLE), "{content_type}");
            let stream = of_type(content_type, ticking(2 * IDLE + TICK, 3));
            let body = respond(&layer, make().0, stream).await.into_body();
            assert_eq!(read(body).await, (0, Some(TimeoutCause::ResponseIdle), 2 * IDLE));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_that_a_request_says_makes_its_response_a_stream() {
    for make in EVERYWHERE {
        let (mut request, _) = make();
        let headers = [
            ("accept", "text/event-stream"),
            ("content-type", "application/grpc"),
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("te", "trailers"),
        ];
        for (name, value) in headers {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let layer = TimeoutLayer::new(LIMIT);
        let body = respond(&layer, request, Response::new(ticking(IDLE, 10))).await.into_body();
        assert!(matches!(read(body).await, (2 | 3, Some(TimeoutCause::ResponseDeadline), LIMIT)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_callers_deadline_ends_every_stream() {
    for content_type in ["text/event-stream", "application/grpc"] {
        let (request, context) = EVERYWHERE[1]();
        let context = context.unwrap();
        context.inherit_deadline(context.arrival() + 2 * LIMIT);
        let layer = TimeoutLayer::new(LIMIT);
        let start = Instant::now();
        let stream = of_type(content_type, ticking(IDLE / 2, 100));
        let mut body = respond(&layer, request, stream).await.into_body();
        assert_eq!(context.deadline(), Some(context.arrival() + 2 * LIMIT), "its own is gone");
        let last = loop {
            match body.frame().await.unwrap() {
                Ok(frame) if frame.is_data() => {}
                last => break last,
            }
        };
        assert_eq!(start.elapsed(), 2 * LIMIT);
        assert_eq!(context.outcome(), Outcome::TimedOut);
        match last {
            Ok(trailers) => assert_eq!(trailers.into_trailers().unwrap()["grpc-status"], "4"),
            Err(error) => assert_eq!(error.downcast_ref(), Some(&TimeoutCause::ResponseDeadline)),
        }
        assert!(body.frame().await.is_none() && body.is_end_stream());
    }
}

#[tokio::test(start_paused = true)]
async fn a_grpc_stream_that_is_cut_ends_with_its_status_and_a_message() {
    let layer = TimeoutLayer::new(LIMIT).stream_idle(IDLE);
    for make in EVERYWHERE {
        let response = of_type("application/grpc+proto", ticking(LONG, 1));
        let body = respond(&layer, make().0, response).await.into_body();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().unwrap();
        assert_eq!(trailers["grpc-status"], "4");
        let message = trailers["grpc-message"].to_str().unwrap();
        assert!(message.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'%'), "{message}");
        assert!(collected.to_bytes().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_give_its_stream_a_deadline() {
    let (request, context) = EVERYWHERE[1]();
    let deadline = Deadline::of(&request).unwrap();
    let stream = of_type("text/event-stream", ticking(IDLE, 100));
    let body = respond(&TimeoutLayer::new(LIMIT), request, stream).await.into_body();
    assert_eq!(deadline.instant(), None);
    let reading = tokio::spawn(read(body));
    sleep(5 * IDLE + TICK).await;
    deadline.set(Some(context.unwrap().arrival() + 6 * IDLE + TICK));
    assert_eq!(reading.await.unwrap(), (6, Some(TimeoutCause::ResponseDeadline), 6 * IDLE + TICK));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_is_moved_while_the_body_waits_counts() {
    for (moved, ends) in [(Some(LONG), LONG), (Some(IDLE), IDLE)] {
        let (request, context) = EVERYWHERE[1]();
        let (context, deadline) = (context.unwrap(), Deadline::of(&request).unwrap());
        let body = respond(&TimeoutLayer::new(LIMIT), request, Response::new(ticking(2 * LONG, 1))).await;
        let reading = tokio::spawn(read(body.into_body()));
        sleep(TICK).await;
        deadline.set(moved.map(|moved| context.arrival() + moved));
        assert_eq!(reading.await.unwrap(), (0, Some(TimeoutCause::ResponseDeadline), ends));
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_stands_still_in_the_body_too_while_the_client_is_waited_for() {
    let (request, context) = EVERYWHERE[1]();
    let context = context.unwrap();
    let body = respond(&TimeoutLayer::new(LIMIT), request, Response::new(ticking(LONG, 1))).await;
    let reading = tokio::spawn(read(body.into_body()));
    sleep(IDLE).await;
    context.pause_deadline();
    sleep(LIMIT).await;
    context.resume_deadline();
    assert_eq!(reading.await.unwrap(), (0, Some(TimeoutCause::ResponseDeadline), 2 * LIMIT));
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// The answer of a service behind layers around each other, its body not polled yet.
async fn nested(
    limits: [Duration; 3],
    request: Request<()>,
) -> TimeoutBody<TimeoutBody<TimeoutBody<ScriptedBody>>> {
    let [outer, middle, inner] = limits.map(TimeoutLayer::new);
    let handler = service_fn(async |_| {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(Response::new(stalling().0))
    });
    outer.layer(middle.layer(inner.layer(handler))).oneshot(request).await.unwrap().into_body()
}

#[tokio::test(start_paused = true)]
async fn bodies_around_each_other_arm_one_timer_for_their_deadlines() {
    let timers = async |request| {
        let mut body = nested([LIMIT, 2 * IDLE, IDLE], request).await;
        assert!(body.frame().await.unwrap().is_ok());
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        assert!(Pin::new(&mut body).poll_frame(&mut Context::from_waker(&waker)).is_pending());
        // Nothing is polled from here on, so every timer that was armed fires for itself.
        advance(LONG).await;
        wakes.0.load(SeqCst)
    };
    assert_eq!(timers(EVERYWHERE[1]().0).await, 1);
    // The control: those that cannot know of each other have one each.
    assert_eq!(timers(EVERYWHERE[0]().0).await, 3);
}

#[tokio::test(start_paused = true)]
async fn the_shorter_deadline_cuts_the_body_wherever_it_is() {
    for limits in [[LIMIT, 2 * IDLE, IDLE], [IDLE, 2 * IDLE, LIMIT], [LIMIT, IDLE, 2 * IDLE]] {
        for make in EVERYWHERE {
            let (request, context) = make();
            let body = nested(limits, request).await;
            assert_eq!(read(body).await, (1, Some(TimeoutCause::ResponseDeadline), IDLE));
            if let Some(context) = context {
                assert_eq!(context.outcome(), Outcome::TimedOut);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_inner_layers_deadline_goes_back_when_its_body_is_over_or_dropped() {
    for read_it in [false, true] {
        let (request, context) = EVERYWHERE[1]();
        let context = context.unwrap();
        let _owner = context.own_timer().unwrap();
        context.set_deadline(Some(context.arrival() + LIMIT));
        let response = Response::new(ScriptedBody::new([Step::data("one")]).unknown_end());
        let mut body = respond(&TimeoutLayer::new(IDLE), request, response).await.into_body();
        assert_eq!(context.deadline(), Some(context.arrival() + IDLE));
        if read_it {
            assert!(body.frame().await.unwrap().is_ok());
            assert!(body.frame().await.is_none());
        } else {
            drop(body);
        }
        assert_eq!(context.deadline(), Some(context.arrival() + LIMIT));
    }
}

#[tokio::test(start_paused = true)]
async fn the_services_own_error_ends_the_body() {
    let body = ScriptedBody::new([Step::error()]);
    let script = body.handle();
    let mut body =
        respond(&TimeoutLayer::new(LIMIT), Request::new(()), Response::new(body)).await.into_body();
    assert!(body.frame().await.unwrap().unwrap_err().is::<macadam_test::Refused>());
    assert!(script.is_dropped());
    assert!(body.frame().await.is_none() && body.is_end_stream());
}

/// Keeps how it ended, and what the request's outcome was by then.
struct Witness(RequestContext, Arc<Mutex<Option<(End, Outcome)>>>);

impl Guard for Witness {
    fn end(self, end: End) {
        *self.1.lock().unwrap() = Some((end, self.0.outcome()));
    }
}

#[tokio::test(start_paused = true)]
async fn guards_inside_and_outside_see_a_request_that_timed_out() {
    for (content_type, outside) in [("text/plain", End::Failed), ("application/grpc", End::Finished)] {
        let (request, context) = EVERYWHERE[1]();
        let context = context.unwrap();
        let seen: [Arc<Mutex<_>>; 2] = Default::default();
        let witness = |at: usize| Witness(context.clone(), Arc::clone(&seen[at]));
        let inner = GuardedBody::new(ticking(LONG, 1), witness(0));
        let layer = TimeoutLayer::new(LIMIT).stream_idle(LIMIT);
        let response = respond(&layer, request, of_type(content_type, inner)).await;
        let _ = GuardedBody::new(response.into_body(), witness(1)).collect().await;
        assert_eq!(*seen[0].lock().unwrap(), Some((End::Dropped, Outcome::TimedOut)));
        assert_eq!(*seen[1].lock().unwrap(), Some((outside, Outcome::TimedOut)));
    }
}

#[tokio::test(start_paused = true)]
async fn size_hint_and_end_are_those_of_the_services_body() {
    let layer = TimeoutLayer::new(LIMIT).response_body_idle(IDLE);
    let full = http_body_util::Full::new(Bytes::from_static(b"hello"));
    let body = respond(&layer, Request::new(()), Response::new(full)).await.into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(5), false));
    let empty = http_body_util::Empty::<Bytes>::new();
    let body = respond(&layer, Request::new(()), Response::new(empty)).await.into_body();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
    let (unknown, _) = stalling();
    let body = respond(&layer, Request::new(()), Response::new(unknown)).await.into_body();
    assert_eq!(body.size_hint().exact(), SizeHint::default().exact());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_uses_up_its_tasks_budget_is_cut_too() {
    /// Is woken for ever, and takes all of tokio's budget each time.
    struct Greedy;

    impl Body for Greedy {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            while let Poll::Ready(turn) = tokio::task::coop::poll_proceed(cx) {
                turn.made_progress();
            }
            Poll::Pending
        }
    }

    for make in EVERYWHERE {
        let body = respond(&TimeoutLayer::new(LIMIT), make().0, Response::new(Greedy)).await.into_body();
        let reading = tokio::spawn(read(body));
        advance(LIMIT).await;
        assert!(matches!(reading.await.unwrap(), (0, Some(TimeoutCause::ResponseDeadline), _)));
    }
}
