//! Every route does what the table says, over a socket.

use std::time::Duration;

use macadam_test::wire::Client;
use tokio::time::{Instant, timeout};

use crate::process::Torture;

#[tokio::test]
async fn each_route_answers_as_the_table_says() {
    let torture = Torture::start(&[]).await;
    let mut client = Client::connect(torture.public).await;

    for path in ["/io?ms=1", "/pool?ms=1", "/spin?ms=1", "/block?ms=1"] {
        let reply = client.get(path).await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, "ok"), "{path}");
        assert_eq!(reply.header("x-request-id").map(str::len), Some(36), "{path}");
    }
    let from = Instant::now();
    client.get("/io?ms=200").await;
    assert!(from.elapsed() >= Duration::from_millis(200));

    let reply = client.get("/stream?frames=3&every=1&bytes=10").await;
    assert_eq!(reply.header("transfer-encoding"), Some("chunked"));
    assert_eq!(reply.body.len(), 30);

    let reply = client.get("/bytes?n=100000").await;
    assert_eq!(reply.header("content-length"), Some("100000"));
    assert_eq!(reply.body.len(), 100_000);

    client.send("POST /upload HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\nhello").await;
    assert_eq!(client.response().await.text(), "5");

    client.send("GET /context HTTP/1.1\r\nhost: t\r\nx-request-id: mine-42\r\n\r\n").await;
    let reply = client.response().await;
    let context: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(context["request_id"], "mine-42");
    assert_eq!(context["criticality"], "critical");
    let remaining = context["remaining_ms"].as_u64().unwrap();
    assert!((2_000..=3_000).contains(&remaining), "{remaining}");
}

#[tokio::test]
async fn refusals_are_problems_with_the_requests_id() {
    let torture = Torture::start(&[("MACADAM_TIMEOUTS_REQUEST", "100ms")]).await;
    let mut client = Client::connect(torture.public).await;
    for (request, status, kind) in [
        ("GET /io?ms=5000", 504, "deadline-exceeded"),
        ("GET /panic", 500, "panicked"),
        ("POST /upload", 413, "content-too-large"),
    ] {
        let mut client = Client::connect(torture.public).await;
        client
            .send(
                format!("{request} HTTP/1.1\r\nhost: t\r\nx-request-id: r-1\r\ncontent-length: 0\r\n\r\n")
                    .replace(
                        "content-length: 0",
                        if status == 413 { "content-length: 2000000" } else { "content-length: 0" },
                    ),
            )
            .await;
        let reply = client.response().await;
        assert_eq!(reply.status, status, "{request}: {}", reply.text());
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
        let problem: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(problem["type"], format!("urn:problem-type:macadam:{kind}"));
        assert_eq!(problem["request_id"], "r-1");
        assert_eq!(reply.header("x-request-id"), Some("r-1"));
        if status == 504 {
            assert_eq!(client.get("/io?ms=1").await.status, 200, "a late answer costs nobody the connection");
        }
    }
    for path in ["/nowhere", "/panic"] {
        assert!(client.get(path).await.header("x-request-id").is_some());
    }
}

#[tokio::test]
async fn when_the_client_sees_the_500_of_a_panic_nothing_is_in_flight_and_the_service_lives_on() {
    let torture = Torture::start(&[]).await;
    let mut client = Client::connect(torture.public).await;
    let mut admin = Client::connect(torture.admin).await;
    for _ in 0..20 {
        assert_eq!(client.get("/panic").await.status, 500);
        let status: serde_json::Value = serde_json::from_slice(&admin.get("/status").await.body).unwrap();
        assert_eq!(status["in_flight"]["total"], 0, "{status}");
        assert_eq!(status["noted"][0]["outcome"], "panicked", "{status}");
        assert!(status["load"]["limit"].is_number(), "what the load shedder says is found: {status}");
        assert_eq!(status["runtime"]["stalled"], 0.0, "and what the watch of the runtime says: {status}");
    }
    assert_eq!(client.get("/io?ms=1").await.status, 200);
}

#[tokio::test]
async fn the_admin_listener_lists_the_checks() {
    let torture = Torture::start(&[]).await;
    let mut admin = Client::connect(torture.admin).await;
    let reply = admin.get("/readyz?verbose").await;
    assert_eq!(reply.status, 200);
    assert!(reply.text().contains("[+]shutdown ok"), "{}", reply.text());
    assert!(reply.text().ends_with("readyz check passed\n"), "{}", reply.text());
    assert_eq!(admin.get("/livez").await.status, 200);
    assert_eq!(admin.get("/startupz").await.status, 200);
    assert_eq!(Client::connect(torture.public).await.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn with_every_worker_blocked_the_admin_listener_answers() {
    let torture = Torture::start(&[("TOKIO_WORKER_THREADS", "2")]).await;
    let mut blockers = Vec::new();
    for _ in 0..6 {
        let mut client = Client::connect(torture.public).await;
        client.send("GET /block?ms=1500 HTTP/1.1\r\nhost: t\r\n\r\n").await;
        blockers.push(client);
    }
    let mut admin = Client::connect(torture.admin).await;
    let mut waits = Vec::new();
    for _ in 0..200 {
        let from = Instant::now();
        assert_eq!(admin.get("/livez").await.status, 200);
        waits.push(from.elapsed());
    }
    // The control: the public listener does not answer meanwhile.
    let mut public = Client::connect(torture.public).await;
    assert!(timeout(Duration::from_millis(200), public.get("/livez")).await.is_err());
    waits.sort();
    println!("admin /livez with every worker blocked: p50 {:?}, p99 {:?}", waits[100], waits[198]);
    assert!(waits[198] < Duration::from_millis(200), "a generous bound for a busy machine: {:?}", waits[198]);
}
