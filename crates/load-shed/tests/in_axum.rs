//! One layer, wherever axum takes one.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{
    Router,
    body::Body,
    extract::State,
    response::sse::{Event, Sse},
    routing::get,
};
use futures_util::stream;
use http::{Request, StatusCode};
use macadam_load_shed::{LoadShedHandle, LoadShedLayer};
use macadam_test::wire;
use tokio::sync::Notify;
use tower::ServiceExt;

/// A handler that runs until it is told to end.
#[derive(Clone, Default)]
struct Held {
    end: Arc<Notify>,
    running: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
}

async fn hold(State(held): State<Held>) -> &'static str {
    let running = held.running.fetch_add(1, SeqCst) + 1;
    held.peak.fetch_max(running, SeqCst);
    held.end.notified().await;
    held.running.fetch_sub(1, SeqCst);
    "held"
}

fn gate(limit: u32) -> (LoadShedLayer, LoadShedHandle) {
    LoadShedLayer::new(limit).expect("the limit is valid").queue(0).pair()
}

async fn status(app: &Router, path: &str) -> StatusCode {
    let request = Request::get(path).body(Body::empty()).expect("the path is valid");
    let Ok(response) = app.clone().oneshot(request).await;
    response.status()
}

/// Holds `held` in flight, and sees `refused` refused meanwhile and served afterwards.
async fn holds_one(app: Router, gate: &LoadShedHandle, held: &Held, path: &str, refused: &str) {
    let running = tokio::spawn({
        let (app, path) = (app.clone(), path.to_owned());
        async move { status(&app, &path).await }
    });
    while gate.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&app, refused).await, 503, "{refused}");
    held.end.notify_one();
    assert_eq!(running.await.expect("it does not panic"), 200, "{path}");
    assert_eq!(gate.in_flight(), 0);
    held.end.notify_one();
    assert_eq!(status(&app, refused).await, 200, "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_routes_under_one_layer_share_its_limit() {
    let held = Held::default();
    let (layer, gate) = gate(3);
    let mut app = Router::new();
    for n in 0..20 {
        app = app.route(&format!("/{n}"), get(hold));
    }
    let app: Router = app.layer(layer).with_state(held.clone());

    let requests: Vec<_> = (0..20)
        .map(|n| {
            let app = app.clone();
            tokio::spawn(async move { status(&app, &format!("/{n}")).await })
        })
        .collect();
    while requests.iter().filter(|request| request.is_finished()).count() < 17 {
        tokio::task::yield_now().await;
    }
    assert_eq!((gate.in_flight(), held.peak.load(SeqCst)), (3, 3));
    for _ in 0..3 {
        held.end.notify_one();
    }
    // A permit of a Notify is one, whoever takes it; so they are given one by one.
    let mut served = 0;
    for request in requests {
        while !request.is_finished() {
            held.end.notify_one();
            tokio::task::yield_now().await;
        }
        served += usize::from(request.await.unwrap() == 200);
    }
    assert_eq!((served, held.peak.load(SeqCst), gate.in_flight()), (3, 3, 0));
}

#[tokio::test]
async fn it_works_in_router_layer_and_on_the_fallback() {
    let (held, (layer, gate)) = (Held::default(), gate(1));
    let app = Router::new().route("/a", get(hold)).fallback(hold).layer(layer).with_state(held.clone());
    holds_one(app, &gate, &held, "/a", "/none").await;
}

#[tokio::test]
async fn it_works_in_route_layer_and_leaves_the_fallback_alone() {
    let (held, (layer, gate)) = (Held::default(), gate(1));
    let app = Router::new()
        .route("/a", get(hold))
        .route("/b", get(hold))
        .route_layer(layer)
        .fallback(async || "free")
        .with_state(held.clone());
    assert_eq!(status(&app, "/none").await, 200);
    holds_one(app, &gate, &held, "/a", "/b").await;
}

#[tokio::test]
async fn it_works_in_a_nested_router() {
    let (held, (layer, gate)) = (Held::default(), gate(1));
    let inner = Router::new().route("/a", get(hold)).route("/b", get(hold)).layer(layer);
    let app = Router::new().nest("/inner", inner).with_state(held.clone());
    holds_one(app, &gate, &held, "/inner/a", "/inner/b").await;
}

#[tokio::test]
async fn it_works_on_a_method_router() {
    let (held, (layer, gate)) = (Held::default(), gate(1));
    let app = Router::new().route("/a", get(hold).post(hold).layer(layer)).with_state(held.clone());
    holds_one(app, &gate, &held, "/a", "/a").await;
}

#[tokio::test]
async fn it_works_around_a_router() {
    use tower::Layer;

    let (held, (layer, gate)) = (Held::default(), gate(1));
    let router: Router = Router::new().route("/a", get(hold)).with_state(held.clone());
    holds_one(Router::new().fallback_service(layer.layer(router)), &gate, &held, "/a", "/a").await;
}

#[tokio::test]
async fn an_event_stream_that_goes_on_leaves_the_gate_free() {
    let (layer, gate) = gate(1);
    let endless =
        async || Sse::new(stream::repeat_with(|| Ok::<_, Infallible>(Event::default().data("tick"))));
    let app: Router = Router::new().route("/sse", get(endless)).layer(layer);
    let request = || Request::get("/sse").body(Body::empty()).unwrap();
    let first = app.clone().oneshot(request()).await.unwrap();
    assert_eq!((first.status().as_u16(), gate.in_flight()), (200, 0));
    let second = app.oneshot(request()).await.unwrap();
    assert_eq!(second.status(), 200);
}

#[tokio::test]
async fn a_client_that_does_not_read_what_it_asked_for_leaves_the_gate_free() {
    let (layer, gate) = gate(1);
    let piece = bytes::Bytes::from(vec![b'a'; 1 << 20]);
    let large = async move || Body::from_stream(stream::iter(vec![Ok::<_, Infallible>(piece); 64]));
    let app: Router =
        Router::new().route("/large", get(large)).route("/small", get(async || "small")).layer(layer);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, app).into_future());

    let mut slow = wire::Client::connect(address).await;
    slow.send("GET /large HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let mut other = wire::Client::connect(address).await;
    while gate.streams() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(gate.in_flight(), 0);
    assert_eq!(other.get("/small").await.body, "small");
    assert_eq!(slow.response().await.body.len(), 64 << 20, "it reads after all, and misses nothing");
    assert_eq!((gate.in_flight(), gate.streams()), (0, 0));
    server.abort();
}

#[tokio::test]
async fn a_refusal_on_the_wire_leaves_its_connection_to_the_next_request() {
    let (held, (layer, gate)) = (Held::default(), gate(1));
    let app: Router = Router::new().route("/a", get(hold)).layer(layer).with_state(held.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(axum::serve(listener, app).into_future());

    let mut first = wire::Client::connect(address).await;
    first.send("GET /a HTTP/1.1\r\nhost: test\r\n\r\n").await;
    while gate.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    let mut second = wire::Client::connect(address).await;
    let refused = second.get("/a").await;
    assert_eq!(refused.status, 503);
    assert!(matches!(refused.headers["retry-after"].as_bytes(), [b'1'..=b'3']));
    assert!(refused.body.starts_with(br#"{"type":"urn:problem-type:macadam:overloaded""#));
    assert!(!refused.headers.contains_key("connection"));

    held.end.notify_one();
    assert_eq!(first.response().await.body, "held");
    held.end.notify_one();
    assert_eq!(second.get("/a").await.status, 200);
    assert_eq!(gate.in_flight(), 0);
    server.abort();
}
