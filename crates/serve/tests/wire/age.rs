//! How old a connection may become.

use std::time::Duration;

use macadam_serve::{CloseReason, Server};
use tokio::time::{Instant, sleep};

use crate::town::{SLOW, Town, millis, soon};

/// A tenth more or less of 300 ms, and then 400 ms.
fn aging(server: Server) -> Server {
    server.max_age(millis(300), millis(400))
}

const GROWN_OLD: Duration = Duration::from_millis(350);

#[tokio::test]
async fn an_old_connection_ends_with_its_next_answer() {
    let town = Town::with(aging).await;
    let mut client = town.client().await;
    let young = client.get("/").await;
    assert_eq!((young.text(), young.header("connection")), ("ok", None));
    sleep(GROWN_OLD).await;
    let old = client.get("/").await;
    assert_eq!((old.text(), old.header("connection")), ("ok", Some("close")));
    assert!(soon(client.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_old_connection_without_a_next_answer_is_closed_after_the_grace() {
    let town = Town::with(aging).await;
    let begun = Instant::now();
    let mut client = town.client().await;
    assert_eq!(client.get("/").await.text(), "ok");
    assert!(soon(client.closed()).await.unwrap().is_empty());
    assert!((millis(650)..millis(2000)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    drop(client);
    town.closes(CloseReason::MaxAge, 1).await;
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_the_grace_is_cut() {
    let town = Town::with(aging).await;
    let mut client = town.client().await;
    client.send(SLOW).await;
    assert!(soon(client.closed()).await.unwrap().is_empty());
    soon(town.app.dropped.acquire()).await.unwrap().forget();
    town.closes(CloseReason::MaxAge, 1).await;
}

#[tokio::test]
async fn without_a_greatest_age_a_connection_has_none() {
    let town = Town::open().await;
    let mut client = town.client().await;
    assert_eq!(client.get("/").await.text(), "ok");
    sleep(GROWN_OLD).await;
    assert_eq!(client.get("/").await.header("connection"), None);
}

#[tokio::test]
async fn an_upgraded_connection_has_no_age() {
    let town = Town::with(aging).await;
    let mut tunnel = town.client().await;
    tunnel.send("GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    assert_eq!(soon(tunnel.response()).await.status, 101);
    sleep(millis(900)).await;
    tunnel.send("echo").await;
    tunnel.shutdown().await;
    assert_eq!(&soon(tunnel.closed()).await.unwrap()[..], b"echo");
}
