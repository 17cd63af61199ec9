//! Bodies that go on: who works, who waits for its client, and who streams.

use crate::stand::{Body, Stand, TICK, limit, pass, turn};
use http::{HeaderMap, Request, Response, Version, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use macadam_load_shed::{LoadShedLayer, Mode};
use macadam_test::{BodyHandle, ScriptedBody, Step};
use tokio::{runtime::Handle, time::Duration};

/// A tenth of a second, and a look at the gate's bodies.
const LONG: Duration = Duration::from_millis(110);
const A_WHILE: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);

/// In slots, among the streams.
fn figures(stand: &Stand) -> (u32, u32) {
    (stand.gate.in_flight(), stand.gate.streams())
}

/// A frame now, and as many more each of which has to be waited for.
fn frames(more: usize) -> (ScriptedBody, BodyHandle) {
    let rest = (0..more).flat_map(|_| [Step::pending(), Step::data("b")]);
    let body = ScriptedBody::new([Step::data("a"), Step::data("a")].into_iter().chain(rest));
    let handle = body.handle();
    (body, handle)
}

async fn answered(stand: &Stand, request: Request<()>, response: Response<ScriptedBody>) -> Response<Body> {
    let sent = stand.send(request).await;
    stand.script.try_next_call().expect("it has a slot").respond(response);
    sent.await.expect("it does not panic").expect("the service does not fail")
}

/// A response over HTTP/1.
async fn gets(stand: &Stand, body: ScriptedBody) -> Response<Body> {
    answered(stand, Request::get("/").body(()).expect("it is valid"), Response::new(body)).await
}

fn grpc() -> Request<()> {
    let request = Request::post("/a.B/C").version(Version::HTTP_2).header(CONTENT_TYPE, "application/grpc");
    request.body(()).expect("it is valid")
}

async fn next(response: &mut Response<Body>) {
    response.body_mut().frame().await.expect("there is one more").expect("it does not fail");
}

/// The client asks for a frame that is not there yet.
async fn asks(response: &mut Response<Body>) {
    tokio::select! {
        biased;
        _ = response.body_mut().frame() => panic!("it is not there yet"),
        () = std::future::ready(()) => {}
    }
}

/// The body that the client has asked for takes so long.
async fn works(response: &mut Response<Body>, handle: &BodyHandle, duration: Duration) {
    asks(response).await;
    tokio::time::sleep(duration).await;
    handle.wake();
    next(response).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_for_100_ms_gives_its_slot_to_another() {
    for layer in [limit(1), LoadShedLayer::adaptive_up_to(1).unwrap()] {
        let stand = Stand::new(layer.queue(1).max_wait(HOUR));
        let mut response = gets(&stand, frames(0).0).await;
        next(&mut response).await;
        let waits = stand.get("/").await;
        tokio::time::sleep(LONG - TICK).await;
        assert_eq!((figures(&stand), stand.gate.queued()), ((1, 0), 1));
        tokio::time::sleep(TICK).await;
        turn().await;
        assert_eq!((figures(&stand), stand.gate.queued()), ((1, 1), 0), "who waited runs");
        stand.script.try_next_call().expect("it has a slot").ok();
        waits.await.unwrap().unwrap();
        assert_eq!(figures(&stand), (0, 1));
        next(&mut response).await;
        assert_eq!(figures(&stand), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_works_keeps_its_slot_for_as_long_as_it_takes() {
    let stand = Stand::new(limit(1));
    let (body, handle) = frames(2);
    let mut response = gets(&stand, body).await;
    next(&mut response).await;
    next(&mut response).await;
    works(&mut response, &handle, A_WHILE).await;
    assert_eq!(figures(&stand), (1, 0));
    works(&mut response, &handle, A_WHILE).await;
    assert_eq!(figures(&stand), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_works_for_longer_than_its_client_waits_keeps_its_slot() {
    for (works_for, reads_after, moves) in [(60, 50, false), (40, 60, true), (0, 90, true)] {
        let stand = Stand::new(limit(1));
        let (body, handle) = frames(100);
        let mut response = gets(&stand, body).await;
        next(&mut response).await;
        next(&mut response).await;
        for _ in 0..50 {
            works(&mut response, &handle, Duration::from_millis(works_for)).await;
            tokio::time::sleep(Duration::from_millis(reads_after)).await;
        }
        let expected = if moves { (0, 1) } else { (1, 0) };
        assert_eq!(figures(&stand), expected, "{works_for} ms of work for {reads_after} ms of patience");
        drop(response);
        assert_eq!(figures(&stand), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn in_http2_a_client_may_not_even_ask_for_the_first_frame() {
    for (version, expected) in [(Version::HTTP_11, (1, 0)), (Version::HTTP_2, (0, 1))] {
        let stand = Stand::new(limit(1));
        let request = Request::get("/").version(version).body(()).unwrap();
        let response = answered(&stand, request, Response::new(frames(0).0)).await;
        assert_eq!(figures(&stand), (1, 0));
        tokio::time::sleep(LONG).await;
        turn().await;
        assert_eq!(figures(&stand), expected, "{version:?}");
        drop(response);
        assert_eq!(figures(&stand), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_grpc_response_that_goes_on_for_100_ms_is_a_stream() {
    let stand = Stand::new(limit(1));
    let (body, handle) = frames(1);
    let mut response = answered(&stand, grpc(), Response::new(body)).await;
    next(&mut response).await;
    next(&mut response).await;
    asks(&mut response).await;
    tokio::time::sleep(LONG - TICK).await;
    assert_eq!(figures(&stand), (1, 0));
    tokio::time::sleep(TICK).await;
    turn().await;
    assert_eq!(figures(&stand), (0, 1), "its client waits for it, and so for the next event");
    handle.wake();
    next(&mut response).await;
    assert_eq!(figures(&stand), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_grpc_response_of_one_message_never_is() {
    let stand = Stand::new(limit(1));
    let sent = stand.send(grpc()).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(figures(&stand), (1, 0), "the handler works");
    let body = ScriptedBody::new([Step::data("a"), Step::trailers(HeaderMap::new())]);
    stand.script.try_next_call().unwrap().respond(Response::new(body));
    let mut response = sent.await.unwrap().unwrap();
    next(&mut response).await;
    next(&mut response).await;
    assert_eq!(figures(&stand), (0, 0));
}

async fn event_stream(stand: &Stand) -> Response<Body> {
    let body = ScriptedBody::new([Step::pending()]);
    let stream = Response::builder().header(CONTENT_TYPE, "text/event-stream").body(body).unwrap();
    answered(stand, Request::get("/events").body(()).unwrap(), stream).await
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_finds_no_room_keeps_its_slot_until_there_is() {
    let stand = Stand::new(limit(3).max_streams(1));
    let mut held = Vec::new();
    for expected in [(0, 1), (1, 1), (2, 1)] {
        let mut stream = event_stream(&stand).await;
        asks(&mut stream).await;
        held.push(stream);
        assert_eq!(figures(&stand), expected, "nobody who was admitted is cut or refused");
    }
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(figures(&stand), (2, 1));
    held.remove(0);
    assert_eq!(figures(&stand), (2, 0));
    pass(Duration::from_millis(10)).await;
    assert_eq!(figures(&stand), (1, 1));
    drop(held);
    assert_eq!(figures(&stand), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_its_client_keeps_its_slot_while_there_is_no_room_among_the_streams() {
    let stand = Stand::new(limit(2).max_streams(1));
    let stream = event_stream(&stand).await;
    let mut response = gets(&stand, frames(0).0).await;
    next(&mut response).await;
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(figures(&stand), (1, 1));
    drop(stream);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(figures(&stand), (0, 1));
    drop(response);
    assert_eq!(figures(&stand), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_upgrade_is_over_with_its_head_and_its_handler_may_count_the_connection() {
    let stand = Stand::new(limit(1).max_streams(1));
    let place = stand.gate.open_stream().expect("there is one");
    let upgraded = Response::builder().status(101).body(frames(0).0).unwrap();
    let _response = answered(&stand, Request::new(()), upgraded).await;
    assert_eq!(figures(&stand), (0, 1));
    assert!(stand.gate.open_stream().is_none(), "it can still be refused");
    drop(place);
    assert_eq!(figures(&stand), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_enforced_there_is_always_a_place_for_a_connection() {
    for (mode, counted) in [(Mode::DryRun, 1), (Mode::Off, 0)] {
        let stand = Stand::new(limit(1).max_streams(1).mode(mode));
        let places = [stand.gate.open_stream(), stand.gate.open_stream()];
        assert!(places.iter().all(Option::is_some));
        assert_eq!(figures(&stand), (0, counted));
        drop(places);
        assert_eq!(figures(&stand), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_looks_while_no_body_goes_on() {
    let stand = Stand::new(limit(1));
    for _ in 0..2 {
        let mut response = gets(&stand, frames(0).0).await;
        next(&mut response).await;
        next(&mut response).await;
        let before = Handle::current().metrics().worker_park_count(0);
        tokio::time::sleep(HOUR).await;
        let sleeps = Handle::current().metrics().worker_park_count(0) - before;
        assert!((1..30).contains(&sleeps), "a tenth of a second: {sleeps}");
    }
}
