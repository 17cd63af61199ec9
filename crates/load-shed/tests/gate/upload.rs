//! Requests that wait for their own bodies.

use std::{convert::Infallible, sync::Arc};

use crate::stand::{limit, pass, turn};
use http::{Method, Request, Response};
use macadam_core::{Gauges, RequestContext, Stage, Wire};
use macadam_load_shed::LoadShedHandle;
use macadam_test::ScriptedBody;
use tokio::{
    sync::Notify,
    task::AbortHandle,
    time::{Duration, Instant},
};
use tower::{Layer, Service, ServiceExt, service_fn};

trait Handler: Service<Request<()>, Future: Send, Error: Send, Response: Send> + Clone + Send + 'static {}
impl<S> Handler for S where
    S: Service<Request<()>, Future: Send, Error: Send, Response: Send> + Clone + Send + 'static
{
}

const TICK: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(100);

/// A gate of one slot before a handler that waits for its body until it is told that it has it, and then works.
fn reading() -> (LoadShedHandle, impl Handler, Arc<Notify>) {
    let (layer, gate) = limit(1).queue(0).pair();
    let arrived = Arc::new(Notify::new());
    let body = Arc::clone(&arrived);
    let service = layer.layer(service_fn(move |request: Request<()>| {
        let (context, body) = (RequestContext::get(&request).cloned(), Arc::clone(&body));
        async move {
            // As serve does it around the body that it hands out.
            if let Some(context) = &context {
                context.set_stage(Stage::ReadingBody);
            }
            body.notified().await;
            if let Some(context) = &context {
                context.set_stage(Stage::Handling);
            }
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(Response::new(ScriptedBody::empty()))
        }
    }));
    (gate, service, arrived)
}

async fn upload(service: &impl Handler, method: Method) {
    drop(send_upload(service, method).await);
}

async fn send_upload(service: &impl Handler, method: Method) -> AbortHandle {
    let mut request = Request::builder().method(method).uri("/upload").body(()).unwrap();
    let context = RequestContext::new(Instant::now(), None, Wire::of(&request));
    request.extensions_mut().insert(context);
    let sent = tokio::spawn(service.clone().oneshot(request)).abort_handle();
    turn().await;
    sent
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_its_upload_for_100_ms_moves_over_and_not_a_tick_before() {
    let (gate, service, _body) = reading();
    upload(&service, Method::POST).await;
    pass(LONG - TICK).await;
    assert_eq!((gate.in_flight(), gate.streams()), (1, 0));
    pass(TICK).await;
    assert_eq!((gate.in_flight(), gate.streams()), (0, 1));
    upload(&service, Method::POST).await;
    assert_eq!((gate.in_flight(), gate.streams()), (1, 1), "its slot is another's");
}

#[tokio::test(start_paused = true)]
async fn who_has_its_body_a_tick_before_keeps_its_slot() {
    let (gate, service, body) = reading();
    upload(&service, Method::PUT).await;
    pass(LONG - TICK).await;
    body.notify_one();
    pass(Duration::from_secs(10)).await;
    assert_eq!((gate.in_flight(), gate.streams()), (1, 0), "it works");
}

#[tokio::test(start_paused = true)]
async fn a_method_without_a_body_waits_for_none() {
    let (gate, service, _body) = reading();
    upload(&service, Method::GET).await;
    pass(Duration::from_secs(10)).await;
    assert_eq!((gate.in_flight(), gate.streams()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_dropped_gives_back_what_it_moved_to() {
    let (gate, service, _body) = reading();
    let mut request = Request::post("/upload").body(()).unwrap();
    let context = RequestContext::new(Instant::now(), None, Wire::of(&request));
    request.extensions_mut().insert(context);
    let sent = tokio::spawn(service.oneshot(request));
    turn().await;
    pass(LONG).await;
    assert_eq!((gate.in_flight(), gate.streams()), (0, 1));
    sent.abort();
    turn().await;
    assert_eq!((gate.in_flight(), gate.streams()), (0, 0));
}

fn given_up(gate: &LoadShedHandle) -> f64 {
    let mut bad = 0.0;
    gate.read(&mut |reading| {
        if reading.name == "macadam_load_shed_ended_total" && reading.labels == [("use", "bad")] {
            bad = reading.value;
        }
    });
    bad
}

/// Else whoever sends slowly would lower the limit for all.
#[tokio::test(start_paused = true)]
async fn an_upload_that_never_came_is_no_sign_of_too_many_and_a_request_that_is_given_up_is() {
    let (gate, service, _body) = reading();
    let sent = send_upload(&service, Method::POST).await;
    pass(LONG).await;
    sent.abort();
    turn().await;
    assert_eq!(given_up(&gate), 0.0);
    send_upload(&service, Method::POST).await.abort();
    turn().await;
    assert_eq!(given_up(&gate), 1.0);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_finds_no_room_moves_with_a_later_piece() {
    let (layer, gate) = limit(2).queue(0).max_streams(1).pair();
    let piece = Arc::new(Notify::new());
    let pieces = Arc::clone(&piece);
    let service = layer.layer(service_fn(move |request: Request<()>| {
        let (context, piece) = (RequestContext::get(&request).cloned(), Arc::clone(&pieces));
        async move {
            context.expect("it has one").set_stage(Stage::ReadingBody);
            loop {
                piece.notified().await;
            }
            #[expect(unreachable_code, reason = "it says what the handler would answer")]
            Ok::<_, Infallible>(Response::new(ScriptedBody::empty()))
        }
    }));
    let first = send_upload(&service, Method::POST).await;
    send_upload(&service, Method::POST).await;
    pass(LONG).await;
    assert_eq!((gate.in_flight(), gate.streams()), (1, 1));
    first.abort();
    turn().await;
    assert_eq!((gate.in_flight(), gate.streams()), (1, 0));
    piece.notify_waiters();
    turn().await;
    assert_eq!((gate.in_flight(), gate.streams()), (0, 1));
}
