//! The table, the outcomes, and `Connection: close`.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use http::{Method, Request, Response, StatusCode, Version, header::CONNECTION};
use http_body::Body;
use http_body_util::BodyExt;
use macadam_core::{InFlight, Outcome, Phase, PhaseOwner, RequestContext, Stage};
use macadam_graceful_shutdown::{DrainLayer, DrainService};
use macadam_test::{Exchange, Script, ScriptedBody, ScriptedService, Step};
use tower::{Layer, Service};

struct Road {
    phase: PhaseOwner,
    in_flight: InFlight,
    service: DrainService<ScriptedService>,
    script: Script,
}

impl Road {
    fn new() -> Self {
        Self::with(|layer| layer)
    }

    fn with(option: impl FnOnce(DrainLayer) -> DrainLayer) -> Self {
        let (phase, in_flight) = (PhaseOwner::new(), InFlight::new());
        let layer = option(DrainLayer::new(in_flight.clone(), phase.watch()));
        let (service, script) = macadam_test::service();
        Self { phase, in_flight, service: layer.layer(service), script }
    }

    async fn call(
        &mut self,
        request: Request<ScriptedBody>,
    ) -> <DrainService<ScriptedService> as Service<Request<ScriptedBody>>>::Future {
        poll_fn(|cx| Service::<Request<ScriptedBody>>::poll_ready(&mut self.service, cx))
            .await
            .expect("it is ready");
        self.service.call(request)
    }

    /// The head of the answer to this request, given this response.
    async fn answer(
        &mut self,
        request: Request<ScriptedBody>,
        response: Response<ScriptedBody>,
    ) -> Response<impl Body<Data = bytes::Bytes, Error: std::fmt::Debug> + use<>> {
        let future = self.call(request).await;
        self.script.next_call().await.respond(response);
        future.await.expect("it answers")
    }

    async fn connection(
        &mut self,
        request: Request<ScriptedBody>,
        response: Response<ScriptedBody>,
    ) -> Vec<String> {
        let response = self.answer(request, response).await;
        let values = response.headers().get_all(CONNECTION).iter();
        values.map(|value| value.to_str().expect("a token").to_owned()).collect()
    }
}

fn request() -> (Request<ScriptedBody>, RequestContext) {
    let mut request = Request::new(ScriptedBody::empty());
    let context = RequestContext::of(&mut request);
    (request, context)
}

fn body_of_two_frames() -> Response<ScriptedBody> {
    Response::new(ScriptedBody::new([Step::data("one"), Step::pending(), Step::data("two")]))
}

fn polled_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_request_is_in_the_table_from_its_call_to_its_bodys_last_frame() {
    let mut road = Road::new();
    let (request, context) = request();
    let future = road.call(request).await;
    assert_eq!((road.in_flight.len(), context.stage()), (1, Stage::Received));

    let response = body_of_two_frames();
    let handle = response.body().handle();
    road.script.next_call().await.respond(response);
    let mut body = future.await.unwrap().into_body();
    assert_eq!((road.in_flight.len(), context.stage()), (1, Stage::Responding));

    body.frame().await.unwrap().unwrap();
    assert_eq!((road.in_flight.len(), context.stage()), (1, Stage::Responding));

    handle.wake();
    body.frame().await.unwrap().unwrap();
    assert_eq!((road.in_flight.len(), context.stage()), (0, Stage::Done));
    assert_eq!(context.outcome(), Outcome::Finished);
}

#[tokio::test]
async fn the_table_names_a_request_by_the_context_it_has_and_makes_none() {
    let mut road = Road::new();
    let (request, context) = request();
    context.set_request_id("theirs").unwrap();
    let named = road.call(request).await;
    let nameless = road.call(Request::new(ScriptedBody::empty())).await;

    let mut ids = Vec::new();
    road.in_flight.for_each(|context| ids.push(context.and_then(RequestContext::request_id)));
    ids.sort();
    assert_eq!(ids, [None, Some("theirs".parse().unwrap())]);

    let calls: [Exchange; 2] = [road.script.next_call().await, road.script.next_call().await];
    assert!(RequestContext::get(calls[0].request()).is_some());
    assert!(RequestContext::get(calls[1].request()).is_none());
    drop((named, nameless));
    assert!(road.in_flight.is_empty());
}

#[tokio::test]
async fn a_client_that_leaves_while_serving_or_draining_has_cancelled() {
    for phase in [Phase::Serving, Phase::LameDuck, Phase::Draining] {
        let mut road = Road::new();
        road.phase.advance(phase, None);

        let (one, in_future) = request();
        drop(road.call(one).await);
        drop(road.script.next_call().await);
        let (other, in_body) = request();
        drop(road.answer(other, body_of_two_frames()).await);

        assert_eq!(
            (in_future.outcome(), in_body.outcome()),
            (Outcome::Cancelled, Outcome::Cancelled),
            "{phase}"
        );
        assert_eq!(in_future.stage(), Stage::Done);
        assert!(road.in_flight.is_empty());
    }
}

#[tokio::test]
async fn what_is_dropped_past_draining_was_cut_by_the_shutdown() {
    for phase in [Phase::Closing, Phase::Cleanup, Phase::Stopped] {
        let mut road = Road::new();
        road.phase.advance(phase, None);
        let (request, context) = request();
        drop(road.call(request).await);
        assert_eq!(context.outcome(), Outcome::CutByShutdown, "{phase}");
    }
}

#[tokio::test]
async fn an_error_of_the_service_and_one_of_the_body_are_failures_and_pass_through() {
    let mut road = Road::new();
    let (one, of_service) = request();
    let future = road.call(one).await;
    road.script.next_call().await.fail();
    assert!(future.await.is_err());

    let (other, of_body) = request();
    let failing = Response::new(ScriptedBody::new([Step::data("one"), Step::error()]));
    let response = road.answer(other, failing).await;
    assert!(response.into_body().collect().await.is_err());

    assert_eq!((of_service.outcome(), of_body.outcome()), (Outcome::Failed, Outcome::Failed));
    assert!(road.in_flight.is_empty());
}

#[tokio::test]
async fn a_panic_empties_the_place_and_is_told_from_a_client_that_leaves() {
    let mut road = Road::new();
    let (request, context) = request();
    let future = road.call(request).await;
    let exchange = road.script.next_call().await;
    exchange.panic();
    assert!(tokio::spawn(future).await.is_err_and(|error| error.is_panic()));
    assert_eq!(context.outcome(), Outcome::Panicked);
    assert!(road.in_flight.is_empty());
}

#[tokio::test]
async fn an_outcome_that_an_inner_layer_gave_stays() {
    let mut road = Road::new();
    let (request, context) = request();
    context.settle(Outcome::Shed);
    road.answer(request, Response::default()).await;
    assert_eq!((context.outcome(), context.stage()), (Outcome::Shed, Stage::Done));
}

#[tokio::test]
async fn http1_clients_are_asked_to_leave_from_the_lame_duck_on_and_not_before() {
    for (phase, asked) in [
        (Phase::Starting, false),
        (Phase::Serving, false),
        (Phase::LameDuck, true),
        (Phase::Draining, true),
        (Phase::Closing, true),
    ] {
        for version in [Version::HTTP_10, Version::HTTP_11, Version::HTTP_2] {
            let mut road = Road::new();
            road.phase.advance(phase, None);
            let mut request = Request::new(ScriptedBody::empty());
            *request.version_mut() = version;
            let connection = road.connection(request, Response::default()).await;
            let expected: &[&str] = if asked && version < Version::HTTP_2 { &["close"] } else { &[] };
            assert_eq!(connection, expected, "{phase} {version:?}");
        }
    }
}

#[tokio::test]
async fn a_connection_that_is_handed_over_is_never_closed() {
    let mut road = Road::new();
    road.phase.advance(Phase::Draining, None);
    for (method, status, expected) in [
        (Method::GET, StatusCode::SWITCHING_PROTOCOLS, &[][..]),
        (Method::CONNECT, StatusCode::OK, &[]),
        (Method::CONNECT, StatusCode::NO_CONTENT, &[]),
        (Method::CONNECT, StatusCode::BAD_GATEWAY, &["close"]),
        (Method::GET, StatusCode::OK, &["close"]),
    ] {
        let request = Request::builder().method(method.clone()).body(ScriptedBody::empty()).unwrap();
        let response = Response::builder().status(status).body(ScriptedBody::empty()).unwrap();
        assert_eq!(road.connection(request, response).await, expected, "{method} {status}");
    }
}

#[tokio::test]
async fn what_the_service_says_of_the_connection_is_kept_but_for_keep_alive() {
    let mut road = Road::new();
    road.phase.advance(Phase::LameDuck, None);
    for (said, expected) in
        [("keep-alive", &["close"][..]), ("Keep-Alive", &["close"]), ("upgrade", &["upgrade", "close"])]
    {
        let response = Response::builder().header(CONNECTION, said).body(ScriptedBody::empty()).unwrap();
        assert_eq!(road.connection(request().0, response).await, expected, "{said}");
    }
}

#[tokio::test]
async fn a_server_that_says_close_itself_can_have_the_layer_silent() {
    let mut road = Road::with(|layer| layer.close_connections(false));
    road.phase.advance(Phase::LameDuck, None);
    assert!(road.connection(request().0, Response::default()).await.is_empty());
}

#[tokio::test]
async fn all_layers_clones_and_services_share_one_table() {
    let in_flight = InFlight::new();
    let layer = DrainLayer::new(in_flight.clone(), PhaseOwner::new().watch());
    let (service, script) = macadam_test::service();
    let mut one = layer.layer(service.clone());
    let mut other = layer.clone().layer(service).clone();
    for service in [&mut one, &mut other] {
        poll_fn(|cx| Service::<Request<ScriptedBody>>::poll_ready(service, cx)).await.unwrap();
    }
    let futures = [one.call(request().0), other.call(request().0)];
    assert_eq!((in_flight.len(), script.calls()), (2, 2));

    let mut drained = pin!(in_flight.drained());
    assert!(polled_once(drained.as_mut()).is_pending());
    drop(futures);
    assert!(polled_once(drained.as_mut()).is_ready());
}
