//! What never ends by itself: the process is gone at its deadline, with code 75, and has said what it left.

use std::time::Duration;

use macadam_test::wire::Client;
use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use crate::process::{Exit, Torture};

const DRAIN: Duration = Duration::from_millis(500);
const BUDGET: Duration = Duration::from_secs(2);
/// From the deadline to the process' end: a generous bound for a busy machine. It takes some ten milliseconds.
const AT_ONCE: Duration = Duration::from_millis(250);

/// HTTP/2 by prior knowledge.
const PREFACE: &str = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// SETTINGS, empty, and its acknowledgement.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0\0\0\0\x04\x01\0\0\0\0";
/// HEADERS on stream 1 that end it: GET / over http of the authority `t`.
const GET: &[u8] = b"\0\0\x06\x01\x05\0\0\0\x01\x82\x86\x84\x01\x01t";

/// Sends this to a service with a short drain, then the signal; returns how it ended.
async fn leaves(bytes: impl AsRef<[u8]>) -> Exit {
    let torture =
        Torture::start(&[("MACADAM_SHUTDOWN_LAME_DUCK", "0s"), ("MACADAM_SHUTDOWN_DRAIN", "500ms")]).await;
    let mut client = Client::connect(torture.public).await;
    client.send(bytes).await;
    sleep(Duration::from_millis(200)).await;
    let exit = exit_after(torture, DRAIN).await;
    drop(client);
    exit
}

/// Sends the signal, and asserts that the process exits so long after it with 75.
async fn exit_after(torture: Torture, deadline: Duration) -> Exit {
    let signalled = Instant::now();
    torture.signal(Signal::TERM);
    let exit = torture.exit(Duration::from_secs(5)).await;
    let after = signalled.elapsed();
    assert_eq!(exit.code, Some(75), "{}", exit.stderr);
    assert!(after >= deadline && after < deadline + AT_ONCE, "{after:?}: {}", exit.stderr);
    exit
}

#[tokio::test]
async fn a_stuck_handler_is_cut_at_the_end_of_the_drain_and_named() {
    let exit = leaves("GET /io?ms=2500 HTTP/1.1\r\nhost: t\r\nx-request-id: stuck\r\n\r\n").await;
    assert!(exit.stderr.contains("cut: stuck GET /io, "), "{}", exit.stderr);
    assert!(exit.stderr.contains("cut: 1 connection\n"), "{}", exit.stderr);
}

#[tokio::test]
async fn an_answer_that_its_client_never_reads_is_cut_at_the_end_of_the_drain_and_named() {
    let request =
        "GET /stream?frames=50&every=0&bytes=1048576 HTTP/1.1\r\nhost: t\r\nx-request-id: unread\r\n\r\n";
    let exit = leaves(request).await;
    assert!(exit.stderr.contains("cut: unread GET /stream, "), "{}", exit.stderr);
}

#[tokio::test]
async fn an_answer_in_one_piece_that_its_client_never_reads_is_cut_and_counted() {
    let exit = leaves("GET /bytes?n=52428800 HTTP/1.1\r\nhost: t\r\n\r\n").await;
    assert!(exit.stderr.contains("cut: 1 request, not named"), "{}", exit.stderr);
}

#[tokio::test]
async fn half_a_head_is_cut_at_the_end_of_the_drain() {
    let exit = leaves("GET / HTTP/1.1\r\nho").await;
    assert!(exit.stderr.contains("cut: 1 connection\n"), "{}", exit.stderr);
}

#[tokio::test]
async fn half_a_handshake_of_http2_is_cut_at_the_end_of_the_drain() {
    for half in [&PREFACE[..20], PREFACE] {
        let exit = leaves(half).await;
        assert!(exit.stderr.contains("cut: 1 connection\n"), "{half:?}: {}", exit.stderr);
    }
}

#[tokio::test]
async fn a_client_of_http2_that_answers_no_ping_is_cut_at_the_end_of_the_drain() {
    let exit = leaves([PREFACE.as_bytes(), SETTINGS, GET].concat()).await;
    assert!(exit.stderr.contains("cut: 1 connection\n"), "{}", exit.stderr);
    assert!(!exit.stderr.contains("not named"), "its request was answered: {}", exit.stderr);
}

#[tokio::test]
async fn with_every_worker_blocked_it_exits_at_its_budget_and_names_what_hangs() {
    let torture = Torture::start(&[
        ("TOKIO_WORKER_THREADS", "2"),
        ("MACADAM_SHUTDOWN_LAME_DUCK", "0s"),
        ("MACADAM_SHUTDOWN_DRAIN", "500ms"),
        ("MACADAM_SHUTDOWN_BUDGET", "2s"),
    ])
    .await;
    let mut clients = Vec::new();
    for number in 0..2 {
        let mut client = Client::connect(torture.public).await;
        client
            .send(format!("GET /block?ms=20000 HTTP/1.1\r\nhost: t\r\nx-request-id: stuck-{number}\r\n\r\n"))
            .await;
        clients.push(client);
    }
    sleep(Duration::from_millis(300)).await;
    let exit = exit_after(torture, BUDGET).await;
    for name in ["stuck-0", "stuck-1", "/block"] {
        assert!(exit.stderr.contains(name), "{name} is named: {}", exit.stderr);
    }
}
