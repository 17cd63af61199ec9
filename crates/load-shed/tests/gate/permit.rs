//! How long a slot is held.

use crate::stand::{Body, Stand, limit, turn};
use http::{HeaderMap, Method, Request, Response, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use macadam_test::{Refused, ScriptedBody, Step};

/// The response to a request that is answered so.
async fn answered(stand: &Stand, method: Method, response: Response<ScriptedBody>) -> Response<Body> {
    let sent = stand.send(Request::builder().method(method).body(()).expect("it is valid")).await;
    assert_eq!(stand.gate.in_flight(), 1);
    stand.script.next_call().await.respond(response);
    sent.await.expect("it does not panic").expect("the service does not fail")
}

fn stand() -> Stand {
    Stand::new(limit(1).queue(0))
}

fn two_frames() -> ScriptedBody {
    ScriptedBody::new([Step::data("one"), Step::data("two")])
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_held_to_the_last_frame() {
    let stand = stand();
    let mut response = answered(&stand, Method::GET, Response::new(two_frames())).await;
    assert_eq!(stand.gate.in_flight(), 1);
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(stand.gate.in_flight(), 1);
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(stand.gate.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_slot_is_held_to_the_trailers() {
    let stand = stand();
    let body = ScriptedBody::new([Step::data("one"), Step::trailers(HeaderMap::new())]).unknown_end();
    let mut response = answered(&stand, Method::GET, Response::new(body)).await;
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(stand.gate.in_flight(), 1);
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(stand.gate.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_fails_gives_its_slot_back() {
    let stand = stand();
    let body = ScriptedBody::new([Step::data("one"), Step::error()]);
    let mut response = answered(&stand, Method::GET, Response::new(body)).await;
    response.body_mut().frame().await.unwrap().unwrap();
    assert_eq!(stand.gate.in_flight(), 1);
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap_err(), Refused);
    assert_eq!(stand.gate.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_dropped_gives_its_slot_to_the_next() {
    let stand = Stand::new(limit(1).queue(1));
    let response = answered(&stand, Method::GET, Response::new(two_frames())).await;
    let next = stand.get("/next").await;
    assert_eq!(stand.figures(), (1, 1));
    drop(response);
    turn().await;
    assert_eq!(stand.figures(), (1, 0));
    stand.script.next_call().await.ok();
    assert_eq!(next.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_sent_holds_no_slot() {
    for (method, status) in [
        (Method::HEAD, 200),
        (Method::GET, 204),
        (Method::GET, 304),
        (Method::GET, 101),
        (Method::CONNECT, 200),
    ] {
        let stand = stand();
        let response = Response::builder().status(status).body(two_frames()).unwrap();
        let _held = answered(&stand, method.clone(), response).await;
        assert_eq!(stand.gate.in_flight(), 0, "{method} {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_stream_holds_no_slot_after_its_head_and_a_stream_of_another_kind_does() {
    for (content_type, in_flight) in [
        ("text/event-stream", 0),
        ("Text/Event-Stream; charset=utf-8", 0),
        ("text/event-streams", 1),
        ("text/event", 1),
        ("application/octet-stream", 1),
    ] {
        let stand = stand();
        let response = Response::builder().header(CONTENT_TYPE, content_type).body(two_frames()).unwrap();
        let held = answered(&stand, Method::GET, response).await;
        assert_eq!(stand.gate.in_flight(), in_flight, "{content_type}");
        drop(held);
        assert_eq!(stand.gate.in_flight(), 0, "{content_type}: given back twice, or not at all");
    }
}

#[tokio::test(start_paused = true)]
async fn the_error_of_the_service_passes_through_and_gives_the_slot_back() {
    let stand = stand();
    let sent = stand.get("/").await;
    stand.script.next_call().await.fail();
    assert_eq!(sent.await.unwrap().unwrap_err(), Refused);
    assert_eq!(stand.gate.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_gives_its_slot_back() {
    let stand = stand();
    let sent = stand.get("/").await;
    sent.abort();
    turn().await;
    assert_eq!(stand.gate.in_flight(), 0);
    assert_eq!(stand.script.live_futures(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_gives_its_slot_back() {
    let stand = Stand::new(limit(1).queue(1));
    let panics = stand.get("/panics").await;
    let panics_later = stand.get("/panics-later").await;
    stand.script.next_call().await.panic();
    assert!(panics.await.unwrap_err().is_panic());
    turn().await;
    assert_eq!(stand.figures(), (1, 0));
    stand.script.next_call().await.panic();
    assert!(panics_later.await.unwrap_err().is_panic());
    assert_eq!(stand.figures(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_panics_when_it_is_called_gives_its_slot_back() {
    use tower::{Layer, ServiceExt, service_fn};

    let (layer, gate) = limit(1).queue(1).pair();
    let (parked, unpark) = tokio::sync::oneshot::channel::<()>();
    let unpark = std::sync::Arc::new(std::sync::Mutex::new(Some(unpark)));
    let service = layer.layer(service_fn(move |_: Request<()>| {
        let Some(unpark) = unpark.lock().unwrap().take() else { panic!("it panics in call") };
        async move {
            unpark.await.ok();
            Ok::<_, Refused>(Response::new(ScriptedBody::empty()))
        }
    }));
    let runs = tokio::spawn(service.clone().oneshot(Request::new(())));
    turn().await;
    let queued = tokio::spawn(service.clone().oneshot(Request::new(())));
    turn().await;
    assert_eq!((gate.in_flight(), gate.queued()), (1, 1));
    parked.send(()).unwrap();
    drop(runs.await.unwrap().unwrap());
    assert!(queued.await.unwrap_err().is_panic());
    assert!(tokio::spawn(service.oneshot(Request::new(()))).await.unwrap_err().is_panic());
    assert_eq!((gate.in_flight(), gate.queued()), (0, 0));
}
