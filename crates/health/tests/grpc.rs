//! The health service of gRPC, asked by tonic's client over a real connection.

#![cfg(feature = "grpc")]
#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use std::{collections::HashMap, time::Duration};

use axum::{Router, routing::post};
use http::{Request, StatusCode, uri::PathAndQuery};
use http_body_util::BodyExt;
use macadam_core::{Phase, PhaseOwner};
use macadam_health::{Check, Health};
use tokio::{
    net::TcpListener,
    time::{Instant, sleep, timeout},
};
use tonic::{Code, Streaming, client::Grpc, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_client::HealthClient,
};
use tonic_prost::ProstCodec;
use tower::{Layer, ServiceExt};

fn serving() -> (PhaseOwner, Health) {
    let owner = PhaseOwner::new();
    let health = Health::builder().phase(owner.watch()).build().unwrap();
    owner.advance(Phase::Serving, None);
    (owner, health)
}

/// A server on loopback that ends with the test, and a connection to it.
async fn connect(app: Router) -> Channel {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap()
}

async fn client(health: &Health) -> HealthClient<Channel> {
    let grpc = health.grpc().services(["orders.v1.Orders"]);
    HealthClient::new(connect(Router::new().fallback_service(grpc)).await)
}

fn of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

async fn check(client: &mut HealthClient<Channel>, service: &str) -> Result<ServingStatus, Code> {
    client.check(of(service)).await.map(|answer| answer.into_inner().status()).map_err(|status| status.code())
}

/// The next message of a stream, which comes soon.
async fn next(stream: &mut Streaming<HealthCheckResponse>) -> Result<Option<ServingStatus>, Code> {
    let message = timeout(Duration::from_secs(10), stream.message()).await.expect("it comes");
    message.map(|message| message.map(|message| message.status())).map_err(|status| status.code())
}

/// As long as nothing comes. A negative: what is too late for it is seen by the next.
async fn is_silent(stream: &mut Streaming<HealthCheckResponse>) -> bool {
    timeout(Duration::from_millis(50), stream.message()).await.is_err()
}

#[tokio::test]
async fn check_knows_the_process_the_probes_and_the_services_and_nothing_else() {
    let (owner, health) = serving();
    let mut client = client(&health).await;
    for service in ["", "readyz", "livez", "startupz", "orders.v1.Orders"] {
        assert_eq!(check(&mut client, service).await, Ok(ServingStatus::Serving), "{service}");
    }
    assert_eq!(check(&mut client, "orders.v1.Payments").await, Err(Code::NotFound));

    owner.advance(Phase::LameDuck, None);
    for service in ["", "readyz", "orders.v1.Orders"] {
        assert_eq!(check(&mut client, service).await, Ok(ServingStatus::NotServing), "{service}");
    }
    assert_eq!(owner.watch().probes(), 3, "and who moves the phase knows");
    for service in ["livez", "startupz"] {
        assert_eq!(check(&mut client, service).await, Ok(ServingStatus::Serving), "{service}");
    }
    assert_eq!(owner.watch().probes(), 3);
}

#[tokio::test]
async fn a_check_that_fails_readiness_fails_it_here_too() {
    let health = Health::builder().check(Check::new("it", async || Err("no"))).build().unwrap();
    let mut client = client(&health).await;
    assert_eq!(check(&mut client, "").await, Ok(ServingStatus::NotServing));
    assert_eq!(check(&mut client, "livez").await, Ok(ServingStatus::Serving));
}

#[tokio::test]
async fn list_names_them_all() {
    #[derive(prost::Message)]
    struct Listed {
        #[prost(map = "string, message", tag = "1")]
        statuses: HashMap<String, HealthCheckResponse>,
    }
    let (owner, health) = serving();
    owner.advance(Phase::LameDuck, None);
    let grpc = health.grpc().services(["orders.v1.Orders"]);
    let mut grpc = Grpc::new(connect(Router::new().fallback_service(grpc)).await);
    grpc.ready().await.unwrap();
    let list = PathAndQuery::from_static("/grpc.health.v1.Health/List");
    let codec = ProstCodec::<HealthCheckRequest, Listed>::default();
    let listed = grpc.unary(tonic::Request::new(of("")), list, codec).await.unwrap().into_inner();
    let (serving, not) = (ServingStatus::Serving, ServingStatus::NotServing);
    let mut statuses: Vec<_> =
        listed.statuses.iter().map(|(name, answer)| (name.as_str(), answer.status())).collect();
    statuses.sort_unstable_by_key(|(name, _)| *name);
    assert_eq!(
        statuses,
        [("", not), ("livez", serving), ("orders.v1.Orders", not), ("readyz", not), ("startupz", serving)]
    );
    assert_eq!(owner.watch().probes(), 0, "who lists does not balance");
}

#[tokio::test]
async fn watch_tells_each_change_once_and_ends_when_nobody_accepts_any_more() {
    let (owner, health) = serving();
    let mut client = client(&health).await;
    let mut ready = client.watch(of("")).await.unwrap().into_inner();
    let mut live = client.watch(of("livez")).await.unwrap().into_inner();
    assert_eq!(next(&mut ready).await, Ok(Some(ServingStatus::Serving)));
    assert_eq!(next(&mut live).await, Ok(Some(ServingStatus::Serving)));
    assert!(is_silent(&mut ready).await);

    owner.advance(Phase::LameDuck, None);
    assert_eq!(next(&mut ready).await, Ok(Some(ServingStatus::NotServing)));
    assert_eq!(owner.watch().probes(), 1);
    assert!(is_silent(&mut ready).await);
    assert!(is_silent(&mut live).await);

    owner.advance(Phase::Draining, None);
    assert_eq!(next(&mut ready).await, Err(Code::Unavailable));
    assert_eq!(next(&mut live).await, Err(Code::Unavailable));
}

#[tokio::test(start_paused = true)]
async fn a_watch_is_told_of_a_drain_and_of_its_end_in_the_tick_of_each() {
    let (owner, health) = serving();
    let request = Request::post("/grpc.health.v1.Health/Watch").header("content-type", "application/grpc");
    let request = request.body(axum::body::Body::from(&b"\0\0\0\0\0"[..])).unwrap();
    let mut body = health.grpc().oneshot(request).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), &b"\0\0\0\0\x02\x08\x01"[..]);
    let start = Instant::now();
    tokio::spawn(async move {
        sleep(Duration::from_secs(3)).await;
        owner.advance(Phase::LameDuck, None);
        sleep(Duration::from_secs(5)).await;
        owner.advance(Phase::Draining, None);
    });
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), &b"\0\0\0\0\x02\x08\x02"[..]);
    assert_eq!(start.elapsed(), Duration::from_secs(3));
    let end = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(end["grpc-status"], "14");
    assert_eq!(start.elapsed(), Duration::from_secs(8));
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn watch_of_an_unknown_service_says_so_and_stays_open() {
    let (owner, health) = serving();
    let mut client = client(&health).await;
    let mut unknown = client.watch(of("orders.v1.Payments")).await.unwrap().into_inner();
    assert_eq!(next(&mut unknown).await, Ok(Some(ServingStatus::ServiceUnknown)));
    owner.advance(Phase::LameDuck, None);
    assert!(is_silent(&mut unknown).await);
    assert_eq!(owner.watch().probes(), 0);
}

#[tokio::test]
async fn a_watch_that_is_dropped_gives_its_place_back() {
    let (_owner, health) = serving();
    let watch = async || {
        let request =
            Request::post("/grpc.health.v1.Health/Watch").header("content-type", "application/grpc");
        let request = request.body(axum::body::Body::from(&b"\0\0\0\0\0"[..])).unwrap();
        health.grpc().oneshot(request).await.unwrap()
    };
    let mut watches = Vec::new();
    for _ in 0..10_000 {
        watches.push(watch().await);
    }
    assert!(watches.iter().all(|response| !response.headers().contains_key("grpc-status")));
    assert_eq!(watch().await.headers()["grpc-status"], "8", "one too many");
    watches.pop();
    assert!(!watch().await.headers().contains_key("grpc-status"));
}

#[tokio::test]
async fn the_layer_answers_for_the_health_service_and_passes_all_else_on() {
    let (_owner, health) = serving();
    let inner = Router::new().route("/orders.v1.Orders/Get", post(async || "an order"));
    let app = Router::new().fallback_service(health.grpc().layer().layer(inner.clone()));
    let mut client = HealthClient::new(connect(app.clone()).await);
    assert_eq!(check(&mut client, "").await, Ok(ServingStatus::Serving));
    let post = |path| Request::post(path).body(axum::body::Body::empty()).unwrap();
    assert_eq!(app.oneshot(post("/orders.v1.Orders/Get")).await.unwrap().status(), 200);

    let off = health.grpc().layer().answering(false).layer(inner);
    assert_eq!(off.oneshot(post("/grpc.health.v1.Health/Check")).await.unwrap().status(), 404);
}

#[tokio::test]
async fn what_is_no_call_of_it_is_refused() {
    let (_owner, health) = serving();
    let ask = async |method: &str, path: &str, content_type: &str, body: &'static [u8]| {
        let request = Request::builder().method(method).uri(path).header("content-type", content_type);
        let request = request.body(axum::body::Body::from(body)).unwrap();
        let response = health.grpc().oneshot(request).await.unwrap();
        let status = response.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
        (response.status(), status)
    };
    let check = "/grpc.health.v1.Health/Check";
    let refused = |code: &str| (StatusCode::OK, Some(code.to_owned()));
    assert_eq!(ask("GET", check, "application/grpc", b"").await, (StatusCode::METHOD_NOT_ALLOWED, None));
    assert_eq!(
        ask("POST", check, "application/json", b"{}").await,
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, None)
    );
    assert_eq!(ask("POST", "/grpc.health.v1.Health/Cheek", "application/grpc", b"").await, refused("12"));
    assert_eq!(ask("POST", check, "application/grpc", b"\0\0\0\0\x05\x0a").await, refused("3"), "not whole");
    assert_eq!(
        ask("POST", check, "application/grpc", b"\0\0\0\0\x02\x0a\x05").await,
        refused("3"),
        "no message"
    );
    assert_eq!(ask("POST", check, "application/grpc", b"\x01\0\0\0\0").await, refused("12"), "compressed");
    assert_eq!(ask("POST", check, "application/grpc", b"\0\x7f\0\0\0").await, refused("8"), "too long");
    assert_eq!(ask("POST", check, "application/grpc+proto", b"\0\0\0\0\0").await, (StatusCode::OK, None));
}
