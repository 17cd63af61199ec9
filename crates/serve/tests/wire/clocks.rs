//! The clocks of a connection, and what they answer.

use std::time::Duration;

use macadam_serve::CloseReason;
use tokio::time::{Instant, sleep};

use crate::town::{BIG, GET, Town, millis, moment, soon};

#[tokio::test]
async fn half_a_first_head_gets_408_and_the_handler_is_not_called() {
    let town = Town::with(|server| server.header(millis(200))).await;
    let mut client = town.client().await;
    client.send("GET / HTTP/1.1\r\nh").await;
    let reply = soon(client.response()).await;
    assert_eq!((reply.status.as_u16(), reply.header("connection")), (408, Some("close")));
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert!(reply.text().contains("request-timeout"), "{}", reply.text());
    assert!(reply.header("date").is_some());
    assert!(soon(client.closed()).await.unwrap().is_empty());
    drop(client);
    town.closes(CloseReason::Header, 1).await;
    assert_eq!(town.calls(), 0);
}

#[tokio::test]
async fn half_a_second_head_gets_408_after_the_first_answer() {
    for together in [false, true] {
        let town = Town::with(|server| server.header(millis(200))).await;
        let mut client = town.client().await;
        if together {
            client.send(format!("{GET}GET / HTTP")).await;
        } else {
            client.send(GET).await;
            moment().await;
            client.send("GET / HTTP").await;
        }
        assert_eq!(soon(client.response()).await.text(), "ok");
        assert_eq!(soon(client.response()).await.status, 408);
        assert!(soon(client.closed()).await.unwrap().is_empty());
        assert_eq!(town.calls(), 1);
    }
}

#[tokio::test]
async fn what_could_still_become_an_http2_preface_gets_408() {
    let town = Town::with(|server| server.header(millis(200))).await;
    let mut client = town.client().await;
    client.send("PRI * HT").await;
    assert_eq!(soon(client.response()).await.status, 408);
    assert!(soon(client.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_head_that_trickles_is_timed_from_its_first_byte() {
    let town = Town::with(|server| server.header(millis(300))).await;
    let mut client = town.client().await;
    let begun = Instant::now();
    for byte in GET.as_bytes() {
        if client.try_send([*byte]).await.is_err() || begun.elapsed() > millis(800) {
            break;
        }
        sleep(millis(40)).await;
    }
    assert_eq!(soon(client.response()).await.status, 408);
    assert_eq!(town.calls(), 0);
}

#[tokio::test]
async fn a_head_that_is_slow_within_its_time_is_served_and_so_is_the_next() {
    let town = Town::with(|server| server.header(millis(500))).await;
    let mut client = town.client().await;
    for _ in 0..2 {
        let (one, two) = GET.split_at(20);
        client.send(one).await;
        sleep(millis(300)).await;
        client.send(two).await;
        assert_eq!(soon(client.response()).await.text(), "ok");
    }
}

#[tokio::test]
async fn heads_completed_around_the_expiry_get_one_answer_each_and_never_two() {
    let town = Town::with(|server| server.header(millis(200))).await;
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..60 {
        let mut client = town.client().await;
        clients.spawn(async move {
            let (one, two) = GET.split_at(20);
            client.send(one).await;
            sleep(Duration::from_micros(182_000 + number * 600)).await;
            let _ = client.try_send(two).await;
            let status = soon(client.response()).await.status.as_u16();
            if status == 200 {
                // Nothing more, until another request.
                assert_eq!(client.get("/").await.status, 200);
            } else {
                assert!(soon(client.closed()).await.unwrap().is_empty());
            }
            status
        });
    }
    let statuses = clients.join_all().await;
    let served = statuses.iter().filter(|status| **status == 200).count();
    assert!(statuses.iter().all(|status| [200, 408].contains(status)), "{statuses:?}");
    assert_eq!(town.calls(), 2 * served);
}

#[tokio::test]
async fn no_clock_of_a_head_cuts_an_answer_that_is_not_flushed() {
    let town = Town::with(|server| server.header(millis(100)).keep_alive_idle(millis(100))).await;
    let mut client = town.client().await;
    client.send("GET /big HTTP/1.1\r\nhost: test\r\n\r\nGET /").await;
    sleep(millis(500)).await;
    assert_eq!(soon(client.response()).await.body.len(), BIG);
    assert_eq!(soon(client.response()).await.status, 408);
    assert!(soon(client.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_client_that_talks_on_reads_its_408_whole() {
    let town = Town::with(|server| server.header(millis(150))).await;
    let mut client = town.client().await;
    client.send("GET / HTTP/1.1\r\n").await;
    sleep(millis(200)).await;
    // The answer is there by now. More comes than a close would forgive.
    for _ in 0..15 {
        let _ = client.try_send(vec![b'x'; 1024]).await;
        sleep(millis(5)).await;
    }
    assert_eq!(soon(client.response()).await.status, 408);
    assert!(soon(client.closed()).await.unwrap().is_empty());
    drop(client);
    town.closes(CloseReason::Header, 1).await;
    assert_eq!(town.handle.discarded_bytes(), 15 * 1024);
    // They are the rest of the head that it answers.
    assert_eq!(town.handle.discarded_requests(), 0);
}

#[tokio::test]
async fn a_client_that_never_stops_is_let_go_after_a_second() {
    let town = Town::with(|server| server.header(millis(100))).await;
    let mut client = town.client().await;
    client.send("GET / HTTP/1.1\r\n").await;
    assert_eq!(soon(client.response()).await.status, 408);
    let begun = Instant::now();
    while client.try_send("x").await.is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(5));
        sleep(millis(50)).await;
    }
    assert!(begun.elapsed() >= millis(900), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_connection_without_a_first_byte_is_closed_without_an_answer() {
    let town = Town::with(|server| server.first_byte(millis(200))).await;
    let begun = Instant::now();
    let mut client = town.client().await;
    assert!(soon(client.closed()).await.unwrap().is_empty());
    assert!(begun.elapsed() >= millis(200));
    town.closes(CloseReason::FirstByte, 1).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_at_its_own_time_and_not_at_that_of_a_head() {
    let town =
        Town::with(|server| server.first_byte(millis(50)).header(millis(100)).keep_alive_idle(millis(600)))
            .await;
    let mut client = town.client().await;
    for _ in 0..2 {
        assert_eq!(client.get("/").await.text(), "ok");
        sleep(millis(300)).await;
    }
    assert_eq!(client.get("/").await.text(), "ok");
    let begun = Instant::now();
    assert!(soon(client.closed()).await.unwrap().is_empty());
    let waited = begun.elapsed();
    assert!((millis(550)..millis(1500)).contains(&waited), "{waited:?}");
    drop(client);
    town.closes(CloseReason::KeepAliveIdle, 1).await;
    assert_eq!(town.handle.discarded_requests(), 0);
}

#[tokio::test]
async fn line_ends_after_a_body_are_not_a_head() {
    let town = Town::with(|server| server.header(millis(200))).await;
    let mut client = town.client().await;
    client.send("POST /upload HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc\r\n").await;
    assert_eq!(soon(client.response()).await.status, 200);
    assert!(soon(client.closed()).await.unwrap().is_empty());
    drop(client);
    town.closes(CloseReason::KeepAliveIdle, 1).await;
}

#[tokio::test]
async fn a_request_that_meets_the_idle_close_is_counted() {
    let town = Town::with(|server| server.keep_alive_idle(millis(150))).await;
    let mut client = town.client().await;
    assert_eq!(client.get("/").await.text(), "ok");
    sleep(millis(250)).await;
    // The end of file is there, unread. The server lingers.
    client.send(GET).await;
    assert!(soon(client.closed()).await.unwrap().is_empty());
    drop(client);
    town.closes(CloseReason::KeepAliveIdle, 1).await;
    assert_eq!(town.handle.discarded_requests(), 1);
    assert_eq!(town.handle.discarded_bytes(), GET.len() as u64);
}

#[tokio::test]
async fn a_body_that_is_still_being_read_after_its_response_is_not_taken_for_a_head() {
    let town = Town::with(|server| server.header(millis(150)).keep_alive_idle(millis(150))).await;
    let mut client = town.client().await;
    client.send("POST /background HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nabc").await;
    assert_eq!(soon(client.response()).await.text(), "later");
    sleep(millis(400)).await;
    client.send("def").await;
    assert_eq!(soon(client.get("/")).await.text(), "ok");
}

#[tokio::test]
async fn a_malformed_head_gets_hypers_400_though_the_client_talks_on() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send(format!("bad\r\n\r\n{}", "x".repeat(20_000))).await;
    assert_eq!(soon(client.response()).await.status, 400);
    assert!(soon(client.closed()).await.unwrap().is_empty());
    drop(client);
    town.closes(CloseReason::Failed, 1).await;
}

#[tokio::test]
async fn a_head_of_more_than_64_kib_gets_431() {
    let town = Town::open().await;
    let mut client = town.client().await;
    client.send(format!("GET / HTTP/1.1\r\na: {}", "x".repeat(70_000))).await;
    assert_eq!(soon(client.response()).await.status, 431);
    assert_eq!(town.calls(), 0);
}

/// Whoever takes long over its head in crumbs is read seldom; and is answered all the same, also on the same connection.
#[tokio::test]
async fn a_head_that_came_in_crumbs_for_a_second_is_answered_when_it_is_whole() {
    let town = Town::open().await;
    let mut client = town.client().await;
    for served in 1..=2 {
        let begun = Instant::now();
        let (crumbs, rest) = GET.as_bytes().split_at(8);
        for crumb in crumbs {
            client.send([*crumb]).await;
            sleep(millis(200)).await;
        }
        client.send(rest).await;
        assert_eq!(client.response().await.text(), "ok");
        assert!(begun.elapsed() < 4 * millis(1600), "{:?}", begun.elapsed());
        assert_eq!(town.calls(), served);
    }
}

#[tokio::test]
async fn a_client_that_is_not_read_for_its_crumbs_gets_its_408_in_time() {
    let town = Town::with(|server| server.header(millis(1500))).await;
    let mut client = town.client().await;
    let begun = Instant::now();
    for crumb in GET.as_bytes() {
        if client.try_send([*crumb]).await.is_err() || begun.elapsed() > millis(1300) {
            break;
        }
        sleep(millis(100)).await;
    }
    assert_eq!(soon(client.response()).await.status, 408);
    assert!((1490..2500).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_head_that_became_whole_while_nobody_read_is_answered_at_its_limit() {
    let town = Town::with(|server| server.header(millis(1500))).await;
    let mut client = town.client().await;
    let begun = Instant::now();
    let (crumbs, rest) = GET.as_bytes().split_at(12);
    for crumb in crumbs {
        client.send([*crumb]).await;
        sleep(millis(100)).await;
    }
    client.send(rest).await;
    assert_eq!(soon(client.response()).await.text(), "ok");
    // It would have been read by itself after five times the second that its crumbs took.
    assert!((millis(1450)..millis(2500)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    client.send(GET).await;
    assert_eq!(soon(client.response()).await.text(), "ok", "the next one is read as any");
}
