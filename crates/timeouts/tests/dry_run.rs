//! What a dry run tells of bodies and of callers, beside what an enforcing layer tells of them.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use macadam_core::{Gauges, Outcome, RequestContext};
use macadam_timeouts::{
    Inherit, Malformed, TimeoutBody, TimeoutCause, TimeoutEvent, TimeoutHandle, TimeoutLayer,
};
use tokio::time::{Sleep, sleep};
use tower::{Layer, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_secs(3);
const IDLE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(1);

type Told = (TimeoutCause, Duration, Duration);

/// A layer, and what its hook was told.
fn told(layer: TimeoutLayer) -> (TimeoutLayer, Arc<Mutex<Vec<Told>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let layer = layer.on_timeout({
        let told = Arc::clone(&told);
        move |event: &TimeoutEvent<'_>| {
            told.lock().unwrap().push((event.cause(), event.elapsed(), event.budget()));
        }
    });
    (layer, told)
}

fn counted(handle: &TimeoutHandle) -> Vec<(String, f64)> {
    let mut seen = Vec::new();
    handle.read(&mut |reading| {
        if reading.value > 0.0 {
            let label = reading.labels.first().map_or(reading.name, |(_, value)| value);
            seen.push((label.to_owned(), reading.value));
        }
    });
    seen
}

/// A frame after every interval.
struct Ticking {
    every: Duration,
    left: usize,
    sleep: Option<Pin<Box<Sleep>>>,
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
        ready!(sleep.as_mut().poll(cx));
        self.sleep = None;
        self.left -= 1;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"tick")))))
    }
}

fn with_context() -> (Request<()>, RequestContext) {
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    (request, context)
}

/// The body that a service behind `layer` answers with, after it has worked for so long.
async fn answer(
    layer: &TimeoutLayer,
    request: Request<()>,
    work: Duration,
    response: Response<Ticking>,
) -> TimeoutBody<Ticking> {
    let mut response = Some(response);
    let handler = service_fn(move |_| {
        let response = response.take().unwrap();
        async move {
            sleep(work).await;
            Ok::<_, Infallible>(response)
        }
    });
    layer.layer(handler).oneshot(request).await.unwrap().into_body()
}

/// Reads to the end; how many frames came, and what it failed with.
async fn read(mut body: TimeoutBody<Ticking>) -> (usize, Option<TimeoutCause>) {
    let mut frames = 0;
    loop {
        match body.frame().await {
            Some(Ok(_)) => frames += 1,
            Some(Err(error)) => return (frames, error.downcast_ref().copied()),
            None => return (frames, None),
        }
    }
}

fn of_type(content_type: &str, body: Ticking) -> Response<Ticking> {
    Response::builder().header("content-type", content_type).body(body).unwrap()
}

/// What an enforcing layer tells of a response, and a dry run of the same one: elapsed, where they differ.
async fn told_of(work: Duration, response: impl Fn() -> Response<Ticking>) -> [Vec<Told>; 2] {
    let mut both = [vec![], vec![]];
    for (dry_run, told_of) in [(false, 0), (true, 1)] {
        for context in [true, false] {
            let layer = TimeoutLayer::new(LIMIT).response_body_idle(IDLE).stream_idle(2 * IDLE);
            let layer = if dry_run { layer.dry_run() } else { layer };
            let (layer, told) = told(layer);
            let (layer, handle) = layer.pair();
            let (with_context, shared) = with_context();
            let request = if context { with_context } else { Request::new(()) };
            let (frames, error) = read(answer(&layer, request, work, response()).await).await;
            let told = told.lock().unwrap().clone();
            let counts: Vec<_> = told.iter().map(|(cause, ..)| (cause.as_str().to_owned(), 1.0)).collect();
            assert_eq!(counted(&handle), counts);
            if dry_run {
                assert_eq!((frames, error), (response().body().left, None), "nothing is cut");
                assert_eq!(shared.outcome(), Outcome::Pending);
            } else {
                assert_eq!(error, told.first().map(|(cause, ..)| *cause));
            }
            if context {
                both[told_of] = told;
            } else {
                assert_eq!(both[told_of], told, "the same without a context");
            }
        }
    }
    both
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_cut_is_told_of_and_in_a_dry_run_it_goes_on_and_is_told_of_too() {
    let none: [Vec<Told>; 2] = Default::default();
    let in_time = || Response::new(ticking(IDLE - TICK, 3));
    assert_eq!(told_of(TICK, in_time).await, none);

    // A body that goes on for too long, told of with the time that it took.
    let steady = || Response::new(ticking(IDLE, 10));
    let late = |elapsed| vec![(TimeoutCause::ResponseDeadline, elapsed, LIMIT)];
    let seen = told_of(TICK, steady).await;
    // Without a context too the clock starts at the first Pending, which is at once.
    assert_eq!(seen, [late(LIMIT), late(10 * IDLE + TICK)]);

    // One that is silent for too long, as soon as it goes on.
    let silent = || Response::new(ticking(IDLE + TICK, 1));
    let idle = |silence| vec![(TimeoutCause::ResponseIdle, silence, IDLE)];
    assert_eq!(told_of(TICK, silent).await, [idle(IDLE), idle(IDLE + TICK)]);
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_with_the_head_of_a_stream_in_a_dry_run_as_well() {
    let none: [Vec<Told>; 2] = Default::default();
    let stream = || of_type("text/event-stream", ticking(2 * IDLE, 10));
    assert_eq!(told_of(TICK, stream).await, none);
    let silent = || of_type("text/event-stream", ticking(2 * IDLE + TICK, 1));
    let idle = |silence| vec![(TimeoutCause::ResponseIdle, silence, 2 * IDLE)];
    assert_eq!(told_of(TICK, silent).await, [idle(2 * IDLE), idle(2 * IDLE + TICK)]);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_of_a_request_once() {
    let (layer, told) = told(TimeoutLayer::new(LIMIT).response_body_idle(IDLE).dry_run());
    let body = answer(&layer, with_context().0, LIMIT + TICK, Response::new(ticking(2 * IDLE, 10))).await;
    assert_eq!(*told.lock().unwrap(), [(TimeoutCause::Deadline, LIMIT + TICK, LIMIT)], "at the head");
    assert_eq!(read(body).await, (10, None));
    assert_eq!(told.lock().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn in_a_dry_run_a_callers_deadline_is_told_of_and_nobody_inside_goes_by_it() {
    let millis = Duration::from_millis;
    let inherit = Inherit::shorten().malformed(Malformed::Reject);
    let (layer, told) = told(TimeoutLayer::new(LIMIT).inherit(inherit).dry_run());
    let (layer, handle) = layer.pair();
    for (header, work) in
        [("250", millis(250)), ("250", millis(251)), ("0", TICK), ("nonsense", LIMIT), ("9000", LIMIT + TICK)]
    {
        let (mut request, context) = with_context();
        request.headers_mut().insert("x-request-timeout-ms", header.parse().unwrap());
        let handler = service_fn(move |request: Request<()>| async move {
            assert_eq!(RequestContext::get(&request).unwrap().deadline(), None);
            sleep(work).await;
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let response = layer.layer(handler).oneshot(request).await.unwrap();
        assert_eq!((response.status(), context.deadline()), (StatusCode::OK, None), "{header}");
    }
    let expected = [
        (TimeoutCause::Inherited, millis(251), millis(250)),
        (TimeoutCause::OnArrival, TICK, Duration::ZERO),
        (TimeoutCause::Deadline, LIMIT + TICK, LIMIT),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
    let malformed = (String::from("macadam_timeouts_malformed_total"), 1.0);
    assert!(counted(&handle).contains(&malformed), "{:?}", counted(&handle));
}
