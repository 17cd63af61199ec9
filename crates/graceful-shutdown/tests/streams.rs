//! Responses that go on for ever: whose they are, when they end, and how.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{convert::Infallible, future::ready, time::Duration};

use http::{HeaderMap, Method, Request, Response, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use macadam_core::{InFlight, Outcome, Phase, PhaseOwner, RequestContext, Stage};
use macadam_graceful_shutdown::{DrainLayer, Finite};
use macadam_test::{BodyHandle, Refused, ScriptedBody, Step};
use tokio::{
    task::JoinHandle,
    time::{Instant, advance, sleep, timeout},
};
use tower::{Layer, Service, service_fn};

const TICK: Duration = Duration::from_millis(1);
/// From a look of who calls to the next.
const LOOK: Duration = Duration::from_millis(5);
const EVENTS: &str = "text/event-stream";
const GRPC: &str = "application/grpc";

/// A process of which somebody else moves the phase.
struct Place {
    phase: PhaseOwner,
    in_flight: InFlight,
    layer: DrainLayer,
}

/// What a client has got of a response.
#[derive(Debug, Default)]
struct Got {
    data: String,
    trailers: Option<HeaderMap>,
    error: Option<Refused>,
    /// From the beginning of the test.
    after: Duration,
}

/// A response that a client reads as it comes.
struct Reading {
    context: RequestContext,
    body: BodyHandle,
    got: JoinHandle<Got>,
}

impl Place {
    fn new() -> Self {
        let (phase, in_flight) = (PhaseOwner::new(), InFlight::new());
        let layer = DrainLayer::new(in_flight.clone(), phase.watch());
        phase.advance(Phase::Serving, None);
        Self { phase, in_flight, layer }
    }

    fn drain(&self, time: Duration) {
        self.phase.advance(Phase::Draining, Some(Instant::now() + time));
    }

    fn read(&self, content_type: &str, body: ScriptedBody) -> Reading {
        self.read_response(Response::builder().header(CONTENT_TYPE, content_type).body(body).unwrap())
    }

    fn read_response(&self, response: Response<ScriptedBody>) -> Reading {
        let mut request = Request::new(());
        let context = RequestContext::of(&mut request);
        let handle = response.body().handle();
        let mut response = Some(response);
        let mut service = self.layer.layer(service_fn(move |_: Request<()>| {
            ready(Ok::<_, Infallible>(response.take().expect("it is called once")))
        }));
        let answer = service.call(request);
        let began = Instant::now();
        let got = tokio::spawn(async move {
            let mut got = Got::default();
            let mut body = std::pin::pin!(answer.await.unwrap().into_body());
            while let Some(frame) = body.frame().await {
                match frame.map(http_body::Frame::into_data) {
                    Ok(Ok(data)) => got.data.push_str(std::str::from_utf8(&data).unwrap()),
                    Ok(Err(frame)) => got.trailers = frame.into_trailers().ok(),
                    Err(error) => got.error = Some(error),
                }
            }
            got.after = began.elapsed();
            got
        });
        Reading { context, body: handle, got }
    }
}

impl Reading {
    /// Whether it goes on after all that can happen without a clock has happened.
    async fn goes_on(&self) -> bool {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        !self.got.is_finished()
    }
}

/// Two frames, and then nothing more.
fn endless() -> ScriptedBody {
    ScriptedBody::new([Step::data("one,"), Step::data("two,"), Step::pending(), Step::data("three")])
}

#[tokio::test(start_paused = true)]
async fn an_event_stream_goes_on_through_the_lame_duck_and_ends_at_its_turn_as_finished() {
    let place = Place::new();
    let stream = place.read(EVENTS, endless());
    sleep(Duration::from_secs(3_600)).await;
    place.phase.advance(Phase::LameDuck, None);
    sleep(Duration::from_secs(5)).await;
    assert!(stream.goes_on().await);
    assert_eq!(place.in_flight.len(), 1);

    place.drain(Duration::from_secs(20));
    let before = Instant::now();
    let got = stream.got.await.unwrap();
    assert!(before.elapsed() <= TICK, "{:?}", before.elapsed());
    assert_eq!((got.data.as_str(), got.trailers, got.error.is_none()), ("one,two,", None, true));
    assert_eq!((stream.context.outcome(), stream.context.stage()), (Outcome::Finished, Stage::Done));
    assert!(stream.body.is_dropped() && place.in_flight.is_empty());
}

#[tokio::test(start_paused = true)]
async fn endings_are_spread_at_200_a_second_where_that_is_fast_enough() {
    spread(1_000, Duration::from_secs(20), 200).await;
}

#[tokio::test(start_paused = true)]
async fn endings_are_spread_over_the_first_half_of_the_drain_where_200_a_second_is_too_slow() {
    spread(4_000, Duration::from_secs(10), 800).await;
}

async fn spread(streams: usize, drain: Duration, rate: usize) {
    let place = Place::new();
    let streams: Vec<_> = (0..streams).map(|_| place.read(EVENTS, endless())).collect();
    assert!(streams.last().unwrap().goes_on().await);
    place.drain(drain);
    let mut ends = Vec::new();
    for stream in streams {
        ends.push(stream.got.await.unwrap().after);
    }
    ends.sort();
    assert!(ends[0] <= LOOK + TICK, "the first: {:?}", ends[0]);
    for (index, tenth) in ends.chunks(ends.len() / 10).enumerate() {
        let took = tenth[tenth.len() - 1] - tenth[0];
        let found = (tenth.len() - 1) as f64 / took.as_secs_f64();
        assert!((found / rate as f64 - 1.0).abs() < 0.1, "{found} a second in tenth {index}");
    }
    assert!(ends[ends.len() - 1] <= drain / 2 + LOOK + TICK, "the last: {:?}", ends[ends.len() - 1]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_begins_in_the_drain_has_its_turn_too() {
    let place = Place::new();
    place.drain(Duration::from_secs(20));
    for _ in 0..3 {
        let got = place.read(EVENTS, endless()).got.await.unwrap();
        assert!(got.after <= LOOK + TICK, "{:?}", got.after);
        sleep(Duration::from_secs(4)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn at_its_turn_a_stream_hands_out_what_it_has_and_ends_where_it_would_wait() {
    let place = Place::new();
    let body =
        ScriptedBody::new([Step::pending(), Step::data("half "), Step::data("an event"), Step::pending()]);
    let stream = place.read(EVENTS, body);
    assert!(stream.goes_on().await);
    // Both at once: the event that came at this moment is whole.
    place.drain(Duration::from_secs(20));
    stream.body.wake();
    let got = stream.got.await.unwrap();
    assert_eq!(got.data, "half an event");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_always_has_a_frame_ends_64_after_its_turn() {
    let place = Place::new();
    let mut frames = Some(ScriptedBody::new(std::iter::repeat_n(Step::data("x"), 1_000)));
    let mut service = place.layer.layer(service_fn(move |_: Request<()>| {
        let response = Response::builder().header(CONTENT_TYPE, EVENTS).body(frames.take().unwrap());
        ready(Ok::<_, Infallible>(response.unwrap()))
    }));
    let mut body = service.call(Request::new(())).await.unwrap().into_body();
    for _ in 0..100 {
        body.frame().await.unwrap().unwrap();
        sleep(TICK).await;
    }
    place.drain(Duration::from_secs(20));
    sleep(LOOK).await;
    assert_eq!(body.collect().await.unwrap().to_bytes().len(), 64);
    assert!(place.in_flight.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_grpc_stream_ends_with_status_14_in_its_trailers() {
    let place = Place::new();
    let stream = place.read(GRPC, endless());
    sleep(Duration::from_secs(6)).await;
    place.drain(Duration::from_secs(20));
    let before = Instant::now();
    let got = stream.got.await.unwrap();
    assert!(before.elapsed() <= TICK, "{:?}", before.elapsed());
    let trailers = got.trailers.unwrap();
    assert_eq!((got.data.as_str(), trailers["grpc-status"].as_bytes()), ("one,two,", &b"14"[..]));
    assert!(!trailers["grpc-message"].is_empty());
    assert_eq!(stream.context.outcome(), Outcome::Finished);
    assert!(stream.body.is_dropped());
}

#[tokio::test(start_paused = true)]
async fn a_grpc_call_that_is_about_to_answer_is_left_alone_and_is_young_for_5_s_after_it_first_waits() {
    let place = Place::new();
    let body = || ScriptedBody::new([Step::data("message"), Step::pending(), Step::trailers(ok())]);
    let (answers, hangs) = (place.read("application/grpc+proto", body()), place.read(GRPC, body()));
    assert!(answers.goes_on().await);
    place.drain(Duration::from_secs(60));
    sleep(Duration::from_secs(5) - LOOK).await;
    assert!(answers.goes_on().await && hangs.goes_on().await);

    answers.body.wake();
    assert_eq!(answers.got.await.unwrap().trailers.unwrap()["grpc-status"], "0");
    let got = hangs.got.await.unwrap();
    assert_eq!(got.trailers.unwrap()["grpc-status"], "14");
    let young = Duration::from_secs(5);
    assert!(got.after >= young && got.after <= young + LOOK + TICK, "{:?}", got.after);
}

#[tokio::test(start_paused = true)]
async fn in_a_short_drain_a_grpc_stream_is_young_for_a_quarter_of_it() {
    let place = Place::new();
    let stream = place.read(GRPC, endless());
    assert!(stream.goes_on().await);
    place.drain(Duration::from_secs(4));
    let got = stream.got.await.unwrap();
    let quarter = Duration::from_secs(1);
    assert!(got.after >= quarter && got.after <= quarter + LOOK + TICK, "{:?}", got.after);
}

fn ok() -> HeaderMap {
    HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())])
}

#[tokio::test(start_paused = true)]
async fn what_ends_by_itself_is_left_to() {
    let place = Place::new();
    let of = |content_type: &str| Response::builder().header(CONTENT_TYPE, content_type);
    let mut finite = of(EVENTS).body(endless()).unwrap();
    finite.extensions_mut().insert(Finite);
    let others = [
        finite,
        of(EVENTS).header("content-length", "13").body(endless()).unwrap(),
        of(EVENTS).body(endless().exact_size()).unwrap(),
        of("text/plain").body(endless()).unwrap(),
        of("application/grpc-web").body(endless()).unwrap(),
        Response::new(endless()),
    ];
    let others = others.map(|response| place.read_response(response));
    place.drain(Duration::from_secs(20));
    sleep(Duration::from_secs(20)).await;
    for (index, stream) in others.into_iter().enumerate() {
        assert!(stream.goes_on().await, "{index}");
        stream.body.wake();
        assert_eq!(stream.got.await.unwrap().data, "one,two,three", "{index}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_head_is_no_stream() {
    let place = Place::new();
    let mut service = place.layer.layer(service_fn(|_: Request<()>| {
        ready(Ok::<_, Infallible>(Response::builder().header(CONTENT_TYPE, EVENTS).body(endless()).unwrap()))
    }));
    let response = service.call(Request::builder().method(Method::HEAD).body(()).unwrap()).await.unwrap();
    assert!(place.in_flight.is_empty());
    drop(response);
}

#[tokio::test(start_paused = true)]
async fn an_error_and_an_end_of_its_own_pass_through_also_in_the_drain() {
    let place = Place::new();
    let fails = place.read(EVENTS, ScriptedBody::new([Step::pending(), Step::error()]));
    let ends = place.read(EVENTS, ScriptedBody::new([Step::pending(), Step::data("end")]).unknown_end());
    assert!(fails.goes_on().await && ends.goes_on().await);
    place.drain(Duration::from_secs(20));
    fails.body.wake();
    ends.body.wake();
    assert!(fails.got.await.unwrap().error.is_some());
    assert_eq!(ends.got.await.unwrap().data, "end");
    assert_eq!((fails.context.outcome(), ends.context.outcome()), (Outcome::Failed, Outcome::Finished));
}

#[tokio::test(start_paused = true)]
async fn past_the_first_half_of_the_drain_it_is_everybodys_turn() {
    let place = Place::new();
    place.drain(Duration::from_secs(2));
    advance(Duration::from_millis(1_999)).await;
    let streams: Vec<_> = (0..100).map(|_| place.read(EVENTS, endless())).collect();
    for stream in streams {
        let got = stream.got.await.unwrap();
        assert!(got.after <= LOOK + TICK, "{:?}", got.after);
    }
}

#[tokio::test]
async fn a_stream_whose_runtime_ended_does_not_keep_others_from_theirs() {
    let place = Place::new();
    let first = std::thread::scope(|scope| {
        let started = scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let first = runtime.block_on(async {
                let first = place.read(EVENTS, endless());
                assert!(first.goes_on().await);
                first
            });
            // With it goes the task that would have called.
            drop(runtime);
            first
        });
        started.join().unwrap()
    });
    assert!(first.got.await.unwrap_err().is_cancelled());
    let second = place.read(EVENTS, endless());
    place.drain(Duration::from_secs(20));
    let got = timeout(Duration::from_secs(10), second.got).await.expect("its turn comes");
    assert_eq!(got.unwrap().data, "one,two,");
}
