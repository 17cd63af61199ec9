//! A client that sends a request's body slowly.

use std::time::Duration;

use macadam_core::body::MinRate;
use macadam_serve::{CloseReason, Server};
use macadam_test::wire::Client;
use tokio::time::{Instant, sleep};

use crate::town::{GET, Town, millis, moment, soon};

fn head(path: &str, length: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n")
}

/// 240 bytes a second, but for 300 ms. The silence is not what ends it.
fn strict(server: Server) -> Server {
    server.min_rate(MinRate::new(240, millis(300))).request_body_idle(Duration::from_secs(9))
}

/// Sends so many bytes each 50 ms, until it is answered or cannot.
async fn trickle(client: &mut Client, each: usize, times: usize) {
    for _ in 0..times {
        if client.try_send(vec![b'x'; each]).await.is_err() {
            break;
        }
        sleep(millis(50)).await;
    }
}

#[tokio::test]
async fn a_body_that_trickles_below_the_least_rate_gets_408() {
    let town = Town::with(strict).await;
    let mut client = town.client().await;
    let begun = Instant::now();
    client.send(head("/upload", 1000)).await;
    trickle(&mut client, 1, 20).await;
    let reply = soon(client.response()).await;
    assert_eq!((reply.status.as_u16(), reply.header("connection")), (408, Some("close")));
    assert!(begun.elapsed() >= millis(300), "{:?}", begun.elapsed());
    assert!(soon(client.closed()).await.is_ok());
    drop(client);
    town.closes(CloseReason::RequestBody, 1).await;
}

#[tokio::test]
async fn a_body_that_trickles_above_the_least_rate_is_read() {
    let town = Town::with(strict).await;
    let mut client = town.client().await;
    client.send(head("/upload", 600)).await;
    trickle(&mut client, 30, 20).await;
    assert_eq!(soon(client.response()).await.text(), "600 bytes, received");
}

#[tokio::test]
async fn what_comes_after_a_silence_pays_for_it() {
    let town = Town::with(strict).await;
    let mut client = town.client().await;
    client.send(head("/upload", 4000)).await;
    for _ in 0..3 {
        sleep(millis(600)).await;
        client.send([b'x'; 1000]).await;
    }
    client.send([b'x'; 1000]).await;
    assert_eq!(soon(client.response()).await.text(), "4000 bytes, received");
}

#[tokio::test]
async fn a_handler_that_does_not_read_makes_no_slow_client() {
    let town = Town::with(|server| strict(server).request_body_idle(millis(400))).await;
    let mut client = town.client().await;
    client.send(head("/lazy", 10)).await;
    town.entered().await;
    client.send("12345").await;
    sleep(millis(600)).await;
    client.send("67890").await;
    town.release();
    assert_eq!(soon(client.response()).await.text(), "10");
}

#[tokio::test]
async fn who_announces_a_body_and_waits_to_be_asked_gets_408_if_it_is_then_silent() {
    let town = Town::with(|server| server.request_body_idle(millis(200))).await;
    let mut client = town.client().await;
    client
        .send("POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\nexpect: 100-continue\r\n\r\n")
        .await;
    assert_eq!(soon(client.response()).await.status, 100);
    let reply = soon(client.response()).await;
    assert_eq!((reply.status.as_u16(), reply.header("connection")), (408, Some("close")));
}

#[tokio::test]
async fn a_chunked_body_that_stalls_within_the_size_of_a_chunk_gets_408() {
    let town = Town::with(|server| server.request_body_idle(millis(200))).await;
    let mut client = town.client().await;
    client
        .send("POST /upload HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1")
        .await;
    let reply = soon(client.response()).await;
    assert_eq!((reply.status.as_u16(), reply.header("connection")), (408, Some("close")));
    assert!(soon(client.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_pipelined_behind_a_body_that_did_not_come_is_not_served() {
    let town = Town::with(strict).await;
    let mut client = town.client().await;
    client.send(head("/upload", 1000)).await;
    trickle(&mut client, 1, 20).await;
    // It would be the body's, were it waited for still.
    let _ = client.try_send([&[b'x'; 1000], GET.as_bytes()].concat()).await;
    assert_eq!(soon(client.response()).await.status, 408);
    assert!(soon(client.closed()).await.unwrap_or_default().is_empty());
    moment().await;
    assert_eq!(town.calls(), 1);
}
