//! What a drain meets in the middle: bodies that are on their way, clients of 1996, clients that do not read.

use std::io::{Read, Write};

use macadam_core::Phase;
use macadam_serve::{CloseReason, Served};
use tokio::time::{Instant, sleep};

use crate::town::{GET, Town, millis, moment, soon, until};

const UPLOAD: &str = "POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\n";

#[tokio::test]
async fn an_upload_that_goes_on_is_read_to_its_end_and_answered_with_close() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send(format!("{UPLOAD}a")).await;
    until(|| town.handle.in_flight() == 1).await;
    town.to(Phase::Draining);
    for byte in *b"bcdef" {
        sleep(millis(100)).await;
        client.send([byte]).await;
    }
    let reply = soon(client.response()).await;
    assert_eq!((reply.text(), reply.header("connection")), ("6 bytes, received", Some("close")));
    drop(client);
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn an_upload_that_stalls_gets_408_five_seconds_into_the_drain() {
    let town = Town::open().await;
    let mut stalled = town.client().await;
    stalled.send(format!("{UPLOAD}abc")).await;
    until(|| town.handle.in_flight() == 1).await;
    sleep(millis(700)).await;
    town.to(Phase::Draining);
    let begun = Instant::now();
    let reply = soon(stalled.response()).await;
    assert!((millis(4900)..millis(6500)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!((reply.status.as_u16(), reply.header("connection")), (408, Some("close")));
    drop(stalled);
    town.closes(CloseReason::RequestBody, 1).await;
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn a_client_that_waits_for_its_continue_gets_it_in_the_drain() {
    let town = Town::open().await;
    let mut client = town.client().await;
    let head = "POST /lazy HTTP/1.1\r\nhost: test\r\nexpect: 100-continue\r\ncontent-length: 6\r\n\r\n";
    client.send(head).await;
    town.entered().await;
    town.to(Phase::Draining);
    moment().await;
    town.release();
    assert_eq!(soon(client.response()).await.status, 100);
    client.send("abcdef").await;
    let reply = soon(client.response()).await;
    assert_eq!((reply.text(), reply.header("connection")), ("6", Some("close")));
    drop(client);
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn clients_of_http_1_0_are_answered_and_idle_ones_get_a_clean_end_of_file() {
    let town = Town::open().await;
    let mut idle = town.client().await;
    idle.send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
    assert_eq!(soon(idle.response()).await.header("connection"), Some("keep-alive"));
    let mut keeps = town.client().await;
    keeps.send("GET /slow HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").await;
    let mut closes = town.client().await;
    closes.send("GET /slow HTTP/1.0\r\n\r\n").await;
    town.entered().await;
    town.entered().await;
    town.to(Phase::Draining);
    assert!(soon(idle.closed()).await.unwrap().is_empty());
    town.release();
    town.release();
    for client in [&mut keeps, &mut closes] {
        let reply = soon(client.response()).await;
        assert_eq!(reply.text(), "slow");
        assert_ne!(reply.header("connection"), Some("keep-alive"));
        assert!(soon(client.closed()).await.unwrap().is_empty());
    }
    drop((idle, keeps, closes));
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn a_client_that_stops_reading_is_waited_for_until_closing_and_then_cut() {
    let town = Town::open().await;
    let mut client = town.client().await;
    // 50 MB, of which the client reads none.
    client.send("GET /frames HTTP/1.1\r\nhost: test\r\n\r\n").await;
    until(|| town.handle.in_flight() == 1).await;
    town.to(Phase::Draining);
    sleep(millis(500)).await;
    assert!(!town.served.is_finished());
    town.to(Phase::Closing);
    soon(town.app.dropped.acquire()).await.unwrap().forget();
    let served = town.served().await;
    assert_eq!((served.connections_cut, served.requests_cut), (1, 1));
    // It does not look whole.
    assert!(!matches!(soon(client.try_response()).await, Ok(Some(_))));
}

/// Sends a request on each, and has the answers counted elsewhere.
fn all_ask(clients: impl IntoIterator<Item = std::net::TcpStream>) -> tokio::task::JoinHandle<usize> {
    let ask = |mut client: std::net::TcpStream| {
        client.set_nonblocking(false).unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        client.write_all(GET.as_bytes()).unwrap();
        client
    };
    let clients: Vec<_> = clients.into_iter().map(ask).collect();
    let is_answered = |mut client: std::net::TcpStream| {
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok")
    };
    tokio::task::spawn_blocking(move || {
        clients.into_iter().map(is_answered).filter(|answered| *answered).count()
    })
}

/// As after a SIGSTOP and a SIGCONT: the kernel has made connections and taken requests while nobody ran.
#[tokio::test]
pub(crate) async fn two_hundred_requests_that_came_while_the_process_stood_still_are_answered_though_it_then_drains()
 {
    let town = Town::open().await;
    // On the one thread of the runtime: nothing of it runs meanwhile.
    let clients = (0..200).map(|_| std::net::TcpStream::connect(town.address).unwrap());
    let answered = all_ask(clients);
    town.to(Phase::Draining);
    assert_eq!(soon(answered).await.unwrap(), 200);
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
pub(crate) async fn a_request_of_which_only_the_kernel_knows_keeps_an_idle_connection() {
    let town = Town::open().await;
    let mut idle = Vec::new();
    for _ in 0..20 {
        let mut client = town.client().await;
        assert_eq!(client.get("/").await.text(), "ok");
        idle.push(client.into_stream().into_std().unwrap());
    }
    moment().await;
    // As above. The connections are told before the runtime asks what has come.
    let answered = all_ask(idle);
    town.to(Phase::Draining);
    assert_eq!(soon(answered).await.unwrap(), 20);
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
pub(crate) async fn a_connection_without_a_byte_whose_first_request_meets_its_close_is_counted() {
    let town = Town::open().await;
    let mut late = town.client().await;
    moment().await;
    town.to(Phase::Draining);
    assert!(soon(late.closed()).await.unwrap().is_empty());
    late.send(GET).await;
    assert!(soon(late.closed()).await.unwrap().is_empty());
    drop(late);
    town.closes(CloseReason::FirstByte, 1).await;
    assert_eq!(town.served().await.requests_discarded, 1);
}

/// hyper answers it and only lets go, with what the client still sends unread.
#[tokio::test]
pub(crate) async fn after_an_error_of_the_protocol_the_close_lingers_too() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send("no such thing as this\r\n\r\n").await;
    for _ in 0..10 {
        client.send(vec![b'x'; 10_000]).await;
        sleep(millis(5)).await;
    }
    assert_eq!(soon(client.response()).await.status, 400);
    assert!(soon(client.closed()).await.unwrap().is_empty());
    drop(client);
    town.closes(CloseReason::Failed, 1).await;
    // What follows nonsense is no request.
    assert_eq!(town.handle.discarded_requests(), 0);
    assert!(town.handle.discarded_bytes() > 0);
}
