//! The request's body, and the clock on the client who sends it.

use macadam_core::Phase;
use macadam_serve::Served;
use tokio::time::sleep;

use crate::town::{Town, millis, moment, soon};

const HEAD: &str = "POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\n";

#[tokio::test]
async fn a_stalled_body_gets_408_and_the_connection_closes() {
    let town = Town::with(|server| server.request_body_idle(millis(200))).await;
    let mut client = town.client().await;
    client.send(format!("{HEAD}abc")).await;
    let reply = soon(client.response()).await;
    assert_eq!((reply.status.as_u16(), reply.header("connection")), (408, Some("close")));
    let text = reply.text();
    assert!(text.contains(":request-timeout\"") && text.contains(r#""reason":"request-idle""#), "{text}");
    assert!(soon(client.closed()).await.unwrap().is_empty());
    assert_eq!(town.calls(), 1);
}

#[tokio::test]
async fn a_body_that_keeps_coming_is_read_however_long_it_takes() {
    let town = Town::with(|server| server.request_body_idle(millis(300)).header(millis(100))).await;
    let mut client = town.client().await;
    client.send(HEAD).await;
    for byte in *b"abcdef" {
        sleep(millis(120)).await;
        client.send([byte]).await;
    }
    let reply = soon(client.response()).await;
    // The stage is again what it was before the waits.
    assert_eq!(reply.text(), "6 bytes, received");
    assert_eq!(reply.header("connection"), None);
    assert_eq!(client.get("/").await.text(), "ok");
}

#[tokio::test]
async fn a_slow_upload_moves_the_deadline_by_as_long_as_it_was_waited_for() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send("POST /deadline HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nabc").await;
    sleep(millis(400)).await;
    client.send("def").await;
    let moved: u64 = soon(client.response()).await.text().parse().unwrap();
    assert!((350..1500).contains(&moved), "moved by {moved} ms");
}

#[tokio::test]
async fn a_handler_that_answers_well_in_spite_of_a_stalled_body_keeps_its_answer_and_closes() {
    let town = Town::with(|server| server.request_body_idle(millis(200))).await;
    let mut client = town.client().await;
    client.send("POST /deadline HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nabc").await;
    let reply = soon(client.response()).await;
    assert_eq!((reply.status.as_u16(), reply.header("connection")), (200, Some("close")));
    assert!(soon(client.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_breaks_off_its_body_is_no_timeout() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send(format!("{HEAD}abc")).await;
    moment().await;
    client.shutdown().await;
    // hyper drops the handler: nobody is there to read an answer.
    assert!(soon(client.closed()).await.is_ok_and(|last| !last.starts_with(b"HTTP/1.1 408")));
}

#[tokio::test]
async fn a_refused_upload_is_answered_though_the_client_sends_on() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10000000\r\n\r\n").await;
    for _ in 0..20 {
        let _ = client.try_send(vec![b'x'; 16 * 1024]).await;
        sleep(millis(2)).await;
    }
    assert_eq!(soon(client.response()).await.text(), "ok");
}

#[tokio::test]
async fn an_upload_under_way_is_finished_in_the_drain() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send(format!("{HEAD}abc")).await;
    moment().await;
    town.to(Phase::Draining);
    moment().await;
    client.send("def").await;
    let reply = soon(client.response()).await;
    assert_eq!((reply.text(), reply.header("connection")), ("6 bytes, received", Some("close")));
    assert_eq!(town.served().await, Served::default());
}

fn unread(content_length: usize, more: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {content_length}\r\n{more}\r\n")
}

#[tokio::test]
async fn a_small_body_that_nobody_reads_is_read_for_nothing_and_the_connection_stays() {
    let town = Town::open().await;
    let mut client = town.client().await;
    for size in [1, 8 * 1024, 64 * 1024] {
        client.send([unread(size, "").as_bytes(), &vec![b'x'; size]].concat()).await;
        let reply = soon(client.response()).await;
        assert_eq!((reply.text(), reply.header("connection")), ("ok", None), "{size}");
    }
    // What comes behind it is the next request, and nothing of it was taken for the body's.
    client.send([unread(3, "").as_bytes(), b"abc", b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"].concat()).await;
    assert_eq!(soon(client.response()).await.text(), "ok");
    assert_eq!(soon(client.response()).await.text(), "ok");
    assert_eq!(town.calls(), 5);
}

#[tokio::test]
async fn a_large_body_that_nobody_reads_closes_the_connection() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send(unread(64 * 1024 + 1, "")).await;
    assert_eq!(soon(client.response()).await.text(), "ok");
    assert!(soon(client.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_body_that_does_not_come_is_waited_for_no_longer_than_its_answer_can_wait() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send(unread(6, "") + "abc").await;
    assert_eq!(soon(client.response()).await.text(), "ok");
    assert!(soon(client.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_is_asked_to_send_what_nobody_will_read() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send(unread(6, "expect: 100-continue\r\n")).await;
    let reply = soon(client.response()).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (200, "ok"), "and no 100 before it");
}
