//! What is answered, on real sockets.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::{Method, Request};
use macadam_admin::{Admin, AdminHandle};
use macadam_core::{Gauges, InFlight, Phase, PhaseOwner, Reading, RequestContext, Route, Stage, Wire};
use macadam_health::{Check, Health};
use macadam_test::wire::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn health() -> Health {
    let check = Check::new("postgres", async || Err("connection refused"));
    Health::builder().check(check).build().expect("one check, without a mistake")
}

fn bound() -> Admin {
    Admin::bind(anywhere(), health()).expect("some port is free")
}

async fn client(admin: &AdminHandle) -> Client {
    Client::connect(admin.local_addr()).await
}

async fn status(client: &mut Client) -> Value {
    let reply = client.get("/status").await;
    assert_eq!(reply.status, 200);
    serde_json::from_slice(&reply.body).expect("the status is JSON")
}

#[tokio::test]
async fn probes_are_answered_with_reasons() {
    let admin = bound().spawn().unwrap();
    let mut client = client(&admin).await;
    let reply = client.get("/livez?verbose").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "[+]ping ok\nlivez check passed\n"));
    let reply = client.get("/readyz").await;
    assert_eq!(
        (reply.status.as_u16(), reply.text()),
        (503, "[+]ping ok\n[-]postgres failed: pending\nreadyz check failed\n")
    );
    let reply = client.get("/startupz").await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "ok"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn everything_else_is_404_and_other_methods_are_405() {
    let admin = bound().spawn().unwrap();
    let mut client = client(&admin).await;
    for path in ["/metrics", "/statusz", "/status/", "/nothing", "/readyz/nothing"] {
        assert_eq!(client.get(path).await.status, 404, "{path}");
    }
    for path in ["/", "/status", "/readyz"] {
        client.send(format!("DELETE {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        let reply = client.response().await;
        assert_eq!((reply.status.as_u16(), reply.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
}

#[tokio::test]
async fn the_index_lists_every_route_and_names_the_service() {
    let admin = bound().service("orders").version("1.4.2").spawn().unwrap();
    let mut client = client(&admin).await;
    let reply = client.get("/").await;
    for line in ["/livez ", "/readyz ", "/startupz ", "/status ", "/ ", "\norders\n", "\n1.4.2\n"] {
        assert!(reply.text().contains(line), "{}", reply.text());
    }
    assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"));
}

#[tokio::test]
async fn head_is_answered_without_the_body() {
    let admin = bound().spawn().unwrap();
    let mut client = client(&admin).await;
    for path in ["/", "/readyz"] {
        let length = client.get(path).await.body.len();
        client.send(format!("HEAD {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        let reply = client.head_response().await;
        assert_eq!(reply.header("content-length"), Some(length.to_string().as_str()), "{path}");
    }
    // Had a body followed a head, this answer would not be one.
    assert_eq!(client.get("/livez").await.text(), "ok");
}

#[tokio::test]
async fn the_status_of_a_bare_admin_says_what_it_knows() {
    let admin = bound().spawn().unwrap();
    let reply = client(&admin).await.get("/status").await;
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let mut status: Value = serde_json::from_slice(&reply.body).unwrap();
    let uptime = status["uptime_seconds"].take();
    assert!((0.0..60.0).contains(&uptime.as_f64().unwrap()), "{uptime}");
    assert_eq!(
        (status["checks"][0]["name"].take(), status["checks"][0]["reason"].take()),
        (json!("postgres"), json!("pending"))
    );
    assert!(status["memory"].take().is_object());
    let gauges = status["gauges"].take();
    for gauge in [
        json!({ "name": "macadam_health_check_up", "labels": { "check": "postgres", "class": "critical" }, "value": 0.0 }),
        json!({ "name": "macadam_health_ready", "labels": {}, "value": 0.0 }),
    ] {
        assert!(gauges.as_array().unwrap().contains(&gauge), "{gauges}");
    }
    assert_eq!(
        status,
        json!({
            "schema": 1,
            "service": null,
            "version": null,
            "pid": std::process::id(),
            "phase": null,
            "phase_age_ms": null,
            "ready": false,
            "uptime_seconds": null,
            "probes": { "livez": "pass", "readyz": "fail", "startupz": "pass" },
            "checks": status["checks"],
            "latches": [],
            "in_flight": null,
            "requests": null,
            "noted": null,
            "load": null,
            "runtime": null,
            "memory": null,
            "gauges": null,
        })
    );
}

struct Door;

impl Gauges for Door {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        out(Reading { name: "door_open", labels: &[("side", "\"front\"")], value: 1.5 });
        out(Reading { name: "door_broken", labels: &[], value: f64::NAN });
    }
}

#[tokio::test]
async fn the_status_tells_service_phase_and_every_gauge() {
    let owner = PhaseOwner::new();
    let admin = bound()
        .service("orders")
        .version("1.4.2")
        .phase(owner.watch())
        .gauges(Arc::new(Door))
        .spawn()
        .unwrap();
    let mut client = client(&admin).await;
    owner.advance(Phase::Serving, None);
    let told = status(&mut client).await;
    assert_eq!(
        (&told["service"], &told["version"], &told["phase"]),
        (&json!("orders"), &json!("1.4.2"), &json!("serving"))
    );
    assert!(told["gauges"].as_array().unwrap().ends_with(&[
        json!({ "name": "door_open", "labels": { "side": "\"front\"" }, "value": 1.5 }),
        json!({ "name": "door_broken", "labels": {}, "value": null }),
    ]));
}

#[tokio::test]
async fn the_status_lists_requests_in_flight_slowest_first() {
    let table = InFlight::new();
    let admin = bound().in_flight(table.clone()).spawn().unwrap();
    let mut client = client(&admin).await;

    let context = |method: Method, age: u64| {
        let request = Request::builder().method(method).body(()).unwrap();
        RequestContext::new(Instant::now() - Duration::from_secs(age), None, Wire::of(&request))
    };
    let young = context(Method::GET, 1);
    let old = context(Method::POST, 30);
    old.set_request_id("a/b:c").unwrap();
    old.set_route(Route::intern("/orders/{id}"));
    old.set_stage(Stage::Handling);
    let guards = [table.enter(Some(young)), table.enter(Some(old)), table.enter(None)];

    let mut told = status(&mut client).await["in_flight"].take();
    let ages: Vec<_> = [0, 1].map(|n| told["slowest"][n]["age_ms"].take().as_u64().unwrap()).into();
    assert!((30_000..60_000).contains(&ages[0]) && (1_000..30_000).contains(&ages[1]), "{ages:?}");
    assert_eq!(
        told,
        json!({
            "total": 3,
            "slowest": [
                { "id": "a/b:c", "method": "POST", "route": "/orders/{id}", "stage": "handling", "age_ms": null },
                { "id": null, "method": "GET", "route": null, "stage": "received", "age_ms": null },
            ],
        })
    );

    drop(guards);
    assert_eq!(status(&mut client).await["in_flight"], json!({ "total": 0, "slowest": [] }));
}

#[tokio::test]
async fn no_more_than_100_requests_are_listed_and_they_are_the_slowest() {
    let table = InFlight::new();
    let admin = bound().in_flight(table.clone()).spawn().unwrap();
    let wire = Wire::of(&Request::new(()));
    let now = Instant::now();
    let guards: Vec<_> = (0..250)
        .map(|age| table.enter(Some(RequestContext::new(now - Duration::from_secs(age), None, wire.clone()))))
        .collect();
    let told = status(&mut client(&admin).await).await;
    let slowest = told["in_flight"]["slowest"].as_array().unwrap();
    assert_eq!((told["in_flight"]["total"].as_u64(), slowest.len()), (Some(guards.len() as u64), 100));
    assert!(slowest.iter().all(|request| request["age_ms"].as_u64() >= Some(150_000)));
}
