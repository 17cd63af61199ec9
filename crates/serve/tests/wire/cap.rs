//! The cap on connections.

use macadam_serve::CloseReason;

use crate::town::{GET, SLOW, Town, millis, moment, soon};

#[tokio::test]
async fn at_the_cap_the_connection_that_waited_longest_makes_room() {
    let town = Town::with(|server| server.max_connections(3)).await;
    let mut first = town.client().await;
    let mut second = town.client().await;
    let mut third = town.client().await;
    assert_eq!(first.get("/").await.text(), "ok");
    assert_eq!(second.get("/").await.text(), "ok");
    assert_eq!(third.get("/").await.text(), "ok");
    // Now the second has waited longest.
    assert_eq!(first.get("/").await.text(), "ok");

    let mut fourth = town.client().await;
    assert_eq!(soon(fourth.get("/")).await.text(), "ok");
    assert!(soon(second.closed()).await.unwrap().is_empty());
    assert_eq!(town.handle.closes(CloseReason::MadeRoom), 1);
    for client in [&mut first, &mut third, &mut fourth] {
        assert_eq!(client.get("/").await.text(), "ok");
    }
    assert_eq!(town.handle.connections(), 3);
}

#[tokio::test]
async fn a_connection_that_never_spoke_makes_room_at_once() {
    let town = Town::with(|server| server.max_connections(1)).await;
    let mut silent = town.client().await;
    moment().await;
    let mut client = town.client().await;
    // Well before the first one's clock, and no linger.
    let begun = tokio::time::Instant::now();
    assert_eq!(soon(client.get("/")).await.text(), "ok");
    assert!(begun.elapsed() < millis(200), "{:?}", begun.elapsed());
    assert!(soon(silent.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn half_a_head_makes_room_with_408() {
    let town = Town::with(|server| server.max_connections(1)).await;
    let mut slow = town.client().await;
    slow.send("GET / HT").await;
    moment().await;
    let mut client = town.client().await;
    assert_eq!(soon(client.get("/")).await.text(), "ok");
    assert_eq!(soon(slow.response()).await.status, 408);
    assert_eq!(town.handle.closes(CloseReason::MadeRoom), 1);
}

#[tokio::test]
async fn a_head_that_comes_in_crumbs_and_is_not_listened_to_makes_room_with_408_too() {
    let town = Town::with(|server| server.max_connections(1)).await;
    let mut slow = town.client().await;
    for crumb in &GET.as_bytes()[..12] {
        slow.send([*crumb]).await;
        tokio::time::sleep(millis(100)).await;
    }
    let mut client = town.client().await;
    assert_eq!(soon(client.get("/")).await.text(), "ok");
    assert_eq!(soon(slow.response()).await.status, 408);
}

#[tokio::test]
async fn where_all_are_busy_the_newcomer_waits_until_one_is_not() {
    let town = Town::with(|server| server.max_connections(2)).await;
    let mut busy = [town.client().await, town.client().await];
    for client in &mut busy {
        client.send(SLOW).await;
        town.entered().await;
    }
    let mut newcomer = town.client().await;
    newcomer.send(GET).await;
    moment().await;
    assert_eq!((town.calls(), town.handle.connections()), (2, 2));
    town.release();
    assert_eq!(soon(newcomer.response()).await.text(), "ok");
    assert_eq!(town.handle.connections(), 2);
    town.release();
    for mut client in busy {
        // One of the two was idle, and made room: after its answer.
        assert_eq!(soon(client.response()).await.text(), "slow");
    }
    assert_eq!(town.handle.closes(CloseReason::MadeRoom), 1);
}

#[tokio::test]
async fn a_crowd_of_silent_connections_does_not_keep_a_client_out() {
    let town = Town::with(|server| server.max_connections(64)).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        crowd.push(town.client().await);
    }
    let mut client = town.client().await;
    assert_eq!(soon(client.get("/")).await.text(), "ok");
    assert_eq!(town.handle.connections(), 64);
    assert_eq!(town.handle.closes(CloseReason::MadeRoom), 301 - 64);
    assert_eq!(town.handle.accepted(), 301);
}

#[tokio::test]
async fn an_upgraded_connection_is_not_asked_to_make_room() {
    let town = Town::with(|server| server.max_connections(2)).await;
    let mut tunnel = town.client().await;
    tunnel.send("GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    assert_eq!(soon(tunnel.response()).await.status, 101);
    let mut idle = town.client().await;
    assert_eq!(idle.get("/").await.text(), "ok");
    let mut newcomer = town.client().await;
    assert_eq!(soon(newcomer.get("/")).await.text(), "ok");
    assert!(soon(idle.closed()).await.unwrap().is_empty());
    assert_eq!(town.handle.closes(CloseReason::MadeRoom), 1);
}
