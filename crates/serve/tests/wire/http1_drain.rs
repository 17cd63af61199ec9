//! An HTTP/1 connection in a drain: what was sent is answered, what is idle is let go.

use macadam_core::Phase;
use macadam_serve::{CloseReason, Served};
use tokio::time::Instant;

use crate::town::{BIG, GET, SLOW, Town, millis, moment, soon, until};

#[tokio::test]
pub(crate) async fn half_a_first_head_is_answered_when_it_is_completed_in_the_drain() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send("GET / HTTP/1.1\r\nho").await;
    moment().await;
    town.to(Phase::Draining);
    moment().await;
    client.send("st: test\r\n\r\n").await;
    let reply = soon(client.response()).await;
    assert_eq!((reply.text(), reply.header("connection")), ("ok", Some("close")));
    assert!(soon(client.closed()).await.unwrap().is_empty());
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
pub(crate) async fn half_a_later_head_is_answered_when_it_is_completed_in_the_drain() {
    let town = Town::open().await;
    let mut client = town.client().await;
    assert_eq!(client.get("/").await.header("connection"), None);
    client.send("GET / HTTP/1.1\r\nho").await;
    moment().await;
    town.to(Phase::Draining);
    moment().await;
    client.send("st: test\r\n\r\n").await;
    assert_eq!(soon(client.response()).await.text(), "ok");
    assert_eq!(town.served().await, Served::default());
}

/// The negative control of the test before: this is what hyper's own shutdown does.
#[tokio::test]
async fn hypers_own_graceful_shutdown_loses_half_a_later_head() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = macadam_test::wire::Client::connect(listener.local_addr().unwrap()).await;
    let io = hyper_util::rt::TokioIo::new(listener.accept().await.unwrap().0);
    let service = hyper::service::service_fn(async |_| {
        Ok::<_, std::convert::Infallible>(http::Response::new("ok".to_owned()))
    });
    let (shut, mut down) = tokio::sync::mpsc::channel::<()>(1);
    tokio::spawn(async move {
        let mut connection =
            std::pin::pin!(hyper::server::conn::http1::Builder::new().serve_connection(io, service));
        tokio::select! {
            _ = connection.as_mut() => return,
            _ = down.recv() => connection.as_mut().graceful_shutdown(),
        }
        let _ = connection.await;
    });
    assert_eq!(client.get("/").await.text(), "ok");
    client.send("GET / HTTP/1.1\r\nho").await;
    moment().await;
    shut.send(()).await.unwrap();
    moment().await;
    let _ = client.try_send("st: test\r\n\r\n").await;
    assert!(
        !matches!(soon(client.try_response()).await, Ok(Some(_))),
        "hyper answers: this crate can be simpler"
    );
}

#[tokio::test]
pub(crate) async fn half_a_head_in_the_packet_of_the_request_before_is_answered() {
    let gets = [
        "GET /slow HTTP/1.1\r\nhost: test\r\n\r\n",
        "POST /slow HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n",
    ];
    for first in gets {
        let town = Town::open().await;
        let mut client = town.client().await;
        client.send(format!("{first}GET / HT")).await;
        town.entered().await;
        town.to(Phase::Draining);
        moment().await;
        town.release();
        assert_eq!(soon(client.response()).await.header("connection"), None, "{first}");
        moment().await;
        client.send("TP/1.1\r\nhost: test\r\n\r\n").await;
        let reply = soon(client.response()).await;
        assert_eq!((reply.text(), reply.header("connection")), ("ok", Some("close")), "{first}");
        assert_eq!(town.served().await, Served::default());
    }
}

#[tokio::test]
async fn half_a_head_in_the_packet_of_a_body_before_is_answered() {
    let posts = [
        "POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\nab",
        "POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nabcdefghij",
        "POST /upload HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ];
    for first in posts {
        let town = Town::open().await;
        let mut client = town.client().await;
        client.send(format!("{first}GET / HT")).await;
        assert_eq!(soon(client.response()).await.status, 200);
        town.to(Phase::Draining);
        moment().await;
        client.send("TP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!(soon(client.response()).await.text(), "ok", "{first}");
        assert_eq!(town.served().await, Served::default());
    }
}

#[tokio::test]
async fn half_a_second_head_sent_while_the_first_runs_is_answered() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send(SLOW).await;
    town.entered().await;
    client.send("GET / HTTP/1.1\r\nho").await;
    moment().await;
    town.release();
    assert_eq!(soon(client.response()).await.text(), "slow");
    town.to(Phase::Draining);
    moment().await;
    client.send("st: test\r\n\r\n").await;
    assert_eq!(soon(client.response()).await.text(), "ok");
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn two_pipelined_requests_are_both_answered_and_the_last_answer_says_close() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send(SLOW).await;
    town.entered().await;
    client.send(GET).await;
    moment().await;
    town.to(Phase::Draining);
    moment().await;
    town.release();
    let first = soon(client.response()).await;
    assert_eq!((first.text(), first.header("connection")), ("slow", None));
    let second = soon(client.response()).await;
    assert_eq!((second.text(), second.header("connection")), ("ok", Some("close")));
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
pub(crate) async fn a_big_answer_to_a_slow_reader_is_whole() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send("GET /big HTTP/1.1\r\nhost: test\r\n\r\n").await;
    // The handler is done, and hyper holds what the socket does not take.
    moment().await;
    assert_eq!(town.handle.in_flight(), 0);
    town.to(Phase::Draining);
    moment().await;
    assert_eq!(soon(client.response()).await.body.len(), BIG);
    let begun = Instant::now();
    assert!(soon(client.closed()).await.unwrap().is_empty());
    assert!(begun.elapsed() < millis(1000), "{:?}", begun.elapsed());
    drop(client);
    town.closes(CloseReason::Retired, 1).await;
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
pub(crate) async fn idle_connections_get_a_clean_end_of_file() {
    let requests = [
        GET,
        "POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc",
        "POST /upload HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST /upload HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\na: b\r\n\r\n",
    ];
    let town = Town::open().await;
    let mut clients = Vec::new();
    for request in requests {
        let mut client = town.client().await;
        // In two packets, since a body may come behind its head.
        let (one, two) = request.split_at(request.len() - 1);
        client.send(one).await;
        moment().await;
        client.send(two).await;
        assert_eq!(soon(client.response()).await.status, 200);
        clients.push(client);
    }
    moment().await;
    town.to(Phase::Draining);
    let begun = Instant::now();
    for mut client in clients {
        assert!(soon(client.closed()).await.unwrap().is_empty());
    }
    town.closes(CloseReason::Retired, 4).await;
    assert!(begun.elapsed() < millis(1000), "{:?}", begun.elapsed());
    assert_eq!(town.handle.discarded_requests(), 0);
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
pub(crate) async fn a_fresh_connection_has_a_second_for_its_first_byte() {
    let town = Town::open().await;
    let mut silent = town.client().await;
    let mut speaking = town.client().await;
    moment().await;
    town.to(Phase::Draining);
    let begun = Instant::now();
    tokio::time::sleep(millis(500)).await;
    assert_eq!(soon(speaking.get("/")).await.text(), "ok");
    assert!(soon(silent.closed()).await.unwrap().is_empty());
    let waited = begun.elapsed();
    assert!((millis(900)..millis(2000)).contains(&waited), "{waited:?}");
    town.closes(CloseReason::FirstByte, 1).await;
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
pub(crate) async fn the_lame_duck_accepts_answers_with_close_and_leaves_idle_connections_alone() {
    let town = Town::open().await;
    let mut idle = town.client().await;
    let mut running = town.client().await;
    assert_eq!(idle.get("/").await.header("connection"), None);
    running.send(SLOW).await;
    town.entered().await;
    town.to(Phase::LameDuck);
    moment().await;
    town.release();
    assert_eq!(soon(running.response()).await.header("connection"), Some("close"));
    assert!(soon(running.closed()).await.unwrap().is_empty());

    let mut newcomer = town.client().await;
    assert_eq!(newcomer.get("/").await.header("connection"), Some("close"));
    assert_eq!(idle.get("/").await.header("connection"), Some("close"));
    assert!(soon(idle.closed()).await.unwrap().is_empty());
}

#[tokio::test]
pub(crate) async fn what_the_kernel_has_accepted_is_served_before_the_listener_closes() {
    let town = Town::open().await;
    // On one thread: none of these is accepted before the phase has moved.
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let stream = std::net::TcpStream::connect(town.address).unwrap();
            stream.set_nonblocking(true).unwrap();
            tokio::net::TcpStream::from_std(stream).unwrap()
        })
        .collect();
    town.to(Phase::Draining);
    for mut client in clients {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        client.write_all(GET.as_bytes()).await.unwrap();
        let mut answer = String::new();
        soon(client.read_to_string(&mut answer)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let address = town.address;
    assert_eq!(town.served().await, Served::default());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_was_in_the_middle_of_the_handshake_as_the_drain_began_is_served() {
    use std::io::{Read, Write};

    let town = Town::open().await;
    town.to(Phase::Draining);
    // The server looks at what there is, and waits. The clock stands still until this test does too.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let mut late = std::net::TcpStream::connect(town.address).unwrap();
    late.write_all(GET.as_bytes()).unwrap();
    let address = town.address;
    assert_eq!(town.served().await, Served::default());
    let mut answer = String::new();
    late.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[tokio::test]
pub(crate) async fn whole_requests_in_one_packet_are_all_answered_and_only_the_last_answer_says_close() {
    for phase in [Phase::LameDuck, Phase::Draining] {
        let town = Town::open().await;
        let mut client = town.client().await;
        let body = "POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\n\r\n\r\n";
        let chunks =
            "POST /upload HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
        client.send([SLOW, GET, body, chunks, GET].concat()).await;
        town.entered().await;
        town.to(phase);
        moment().await;
        town.release();
        for number in 1..=5 {
            let reply = soon(client.response()).await;
            let last = (number == 5).then_some("close");
            assert_eq!((reply.status.as_u16(), reply.header("connection")), (200, last), "{number}");
        }
        assert!(soon(client.closed()).await.unwrap().is_empty());
        drop(client);
        town.phase.advance(Phase::Draining, None);
        assert_eq!(town.served().await, Served::default());
    }
}

#[tokio::test]
async fn a_request_that_meets_a_close_is_thrown_away_and_counted_once() {
    let town = Town::open().await;
    let mut told = town.client().await;
    let mut idle = town.client().await;
    assert_eq!(idle.get("/").await.text(), "ok");
    town.to(Phase::LameDuck);
    assert_eq!(told.get("/").await.header("connection"), Some("close"));
    // It has not heard that, or does not care.
    told.send([GET, GET].concat()).await;
    assert!(soon(told.closed()).await.unwrap().is_empty());
    drop(told);
    until(|| town.handle.discarded_requests() == 1).await;
    town.to(Phase::Draining);
    assert!(soon(idle.closed()).await.unwrap().is_empty());
    idle.send(GET).await;
    let served = town.served().await;
    assert_eq!((served.requests_discarded, served.connections_cut), (2, 0));
}

#[tokio::test]
async fn what_follows_an_answer_that_did_not_wait_for_the_body_is_no_discarded_request() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send("POST /too-large HTTP/1.1\r\nhost: test\r\ncontent-length: 200000\r\n\r\n").await;
    assert_eq!(soon(client.response()).await.status, 413);
    client.send(vec![b'x'; 100_000]).await;
    assert!(soon(client.closed()).await.unwrap().is_empty());
    drop(client);
    until(|| town.handle.connections() == 0).await;
    assert_eq!((town.handle.discarded_requests(), town.handle.discarded_bytes()), (0, 100_000));
}

#[tokio::test]
async fn a_body_that_the_handler_left_unread_does_not_hold_up_the_drain() {
    // hyper drains it unseen, so the connection does not count as idle, and only the clock of a head ends it.
    let town = Town::with(|server| server.header(millis(300))).await;
    let mut client = town.client().await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc").await;
    assert_eq!(soon(client.response()).await.text(), "ok");
    town.to(Phase::Draining);
    assert!(soon(client.closed()).await.unwrap().is_empty());
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn in_the_lame_duck_no_idle_connection_is_closed_not_even_by_its_own_clock() {
    let town = Town::with(|server| server.keep_alive_idle(millis(300))).await;
    let mut client = town.client().await;
    assert_eq!(client.get("/").await.text(), "ok");
    town.to(Phase::LameDuck);
    tokio::time::sleep(millis(800)).await;
    assert_eq!(client.get("/").await.header("connection"), Some("close"));
    assert_eq!(town.handle.closes(CloseReason::KeepAliveIdle), 0);
}

#[tokio::test]
async fn a_body_read_after_its_response_is_read_to_its_end() {
    // hyper asks for what is behind it as if that were half a head, and only the clock of a head ends the connection.
    let town = Town::with(|server| server.header(millis(300))).await;
    let mut client = town.client().await;
    client.send("POST /background HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nabc").await;
    assert_eq!(soon(client.response()).await.text(), "later");
    town.entered().await;
    town.to(Phase::Draining);
    moment().await;
    client.send("def").await;
    town.entered().await;
    assert!(soon(client.closed()).await.unwrap().is_empty());
    drop(client);
    town.closes(CloseReason::KeepAliveIdle, 1).await;
    assert_eq!(town.served().await, Served::default());
}
