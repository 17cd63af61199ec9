//! A runtime in which nothing moves, as the admin listener tells it.

use std::time::Duration;

use macadam_test::wire::Client;
use tokio::time::{Instant, sleep};

use crate::process::Torture;

const WORKERS: usize = 2;
const UNREADY_AFTER: Duration = Duration::from_millis(500);
const DEAD_AFTER: Duration = Duration::from_millis(1500);

/// Waits for this status, for ten seconds, and returns when it came, and the text with it.
async fn turns(admin: &mut Client, path: &str, status: u16) -> (Instant, String) {
    for _ in 0..2000 {
        let reply = admin.get(path).await;
        if reply.status == status {
            return (Instant::now(), reply.text().to_owned());
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("{path} has never been {status}")
}

#[tokio::test]
async fn a_stall_of_all_workers_fails_readiness_then_liveness_until_it_is_over() {
    let torture = Torture::start(&[
        ("TOKIO_WORKER_THREADS", "2"),
        ("MACADAM_HEALTH_UNREADY_AFTER", "500ms"),
        ("MACADAM_HEALTH_DEAD_AFTER", "1500ms"),
    ])
    .await;
    let mut admin = Client::connect(torture.admin).await;
    assert_eq!(admin.get("/readyz/runtime").await.text(), "ok");

    let start = Instant::now();
    let mut clients = Vec::new();
    for _ in 0..WORKERS {
        let mut client = Client::connect(torture.public).await;
        client.send(b"GET /block?ms=2500 HTTP/1.1\r\nhost: test\r\n\r\n").await;
        clients.push(client);
    }
    let (unready, text) = turns(&mut admin, "/readyz", 503).await;
    assert!(unready - start >= UNREADY_AFTER);
    assert!(text.contains("[-]runtime failed: 2 of 2 workers stalled for "), "{text}");
    assert_eq!(admin.get("/livez").await.text(), "ok", "not yet");

    let (dead, text) = turns(&mut admin, "/livez", 503).await;
    assert!(dead - start >= DEAD_AFTER);
    assert!(text.contains("[-]runtime failed: 2 of 2 workers stalled for "), "{text}");

    turns(&mut admin, "/readyz", 200).await;
    assert_eq!(admin.get("/livez").await.text(), "ok");
    for mut client in clients {
        client.response().await;
    }
    assert_eq!(
        Client::connect(torture.public).await.get("/io?ms=1").await.status,
        200,
        "no restart was needed"
    );
}

/// Without the admin listener it is not served before the worker returns: what waited for I/O was that very worker.
#[tokio::test]
async fn one_blocked_worker_of_two_costs_the_requests_of_others_no_more_than_a_moment() {
    let torture = Torture::start(&[("TOKIO_WORKER_THREADS", "2")]).await;
    let mut client = Client::connect(torture.public).await;
    client.get("/io?ms=1").await;
    let mut blocking = Client::connect(torture.public).await;
    let start = Instant::now();
    blocking.send(b"GET /block?ms=10000 HTTP/1.1\r\nhost: test\r\n\r\n").await;

    while start.elapsed() < Duration::from_secs(1) {
        let asked = Instant::now();
        assert_eq!(client.get("/io?ms=1").await.status, 200);
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
    }
    let mut admin = Client::connect(torture.admin).await;
    let text = turns(&mut admin, "/readyz/runtime", 503).await.1;
    assert!(text.starts_with("[+]runtime degraded: 1 of 2 workers stalled for "), "{text}");
    assert_eq!(admin.get("/readyz").await.status, 200);
}
