//! The end of the drain, and of the server.

use macadam_core::{Gauges, Phase};
use macadam_serve::CloseReason;

use crate::town::{SLOW, Town, moment, soon, until};

#[tokio::test]
async fn closing_cuts_what_is_left_and_counts_it() {
    let town = Town::open().await;
    let mut idle = town.client().await;
    assert_eq!(idle.get("/").await.text(), "ok");
    let mut fresh = town.client().await;
    let mut running = town.client().await;
    running.send(SLOW).await;
    town.entered().await;
    until(|| town.handle.connections() == 3).await;
    town.to(Phase::Closing);
    for client in [&mut idle, &mut fresh, &mut running] {
        assert!(soon(client.closed()).await.unwrap().is_empty());
    }
    soon(town.app.dropped.acquire()).await.unwrap().forget();
    assert_eq!(town.handle.closes(CloseReason::Cut), 3);
    assert_eq!((town.handle.connections(), town.handle.in_flight()), (0, 0));
    let served = town.served().await;
    assert_eq!((served.connections_cut, served.requests_cut), (3, 1));
}

#[tokio::test]
async fn an_answer_that_its_client_has_not_taken_is_cut_and_one_that_it_has_is_not() {
    let town = Town::open().await;
    let mut took = town.client().await;
    assert_eq!(took.get("/").await.text(), "ok");
    let mut takes_nothing = town.client().await;
    // It is handed to hyper in one piece: the request is over, and its answer is not sent.
    takes_nothing.send("GET /big HTTP/1.1\r\nhost: test\r\n\r\n").await;
    until(|| town.calls() == 2 && town.handle.in_flight() == 0).await;
    town.to(Phase::Closing);
    let served = town.served().await;
    assert_eq!((served.connections_cut, served.requests_cut), (2, 1));
    drop((took, takes_nothing));
}

#[tokio::test]
async fn closing_ends_a_drain_that_waits() {
    let town = Town::open().await;
    let mut running = town.client().await;
    running.send(SLOW).await;
    town.entered().await;
    town.to(Phase::Draining);
    moment().await;
    assert!(!town.served.is_finished());
    town.to(Phase::Closing);
    let served = town.served().await;
    assert_eq!((served.connections_cut, served.requests_cut), (1, 1));
}

#[tokio::test]
async fn a_dropped_server_cuts_its_connections() {
    let town = Town::open().await;
    let mut running = town.client().await;
    running.send(SLOW).await;
    town.entered().await;
    town.served.abort();
    assert!(soon(running.closed()).await.unwrap().is_empty());
    soon(town.app.dropped.acquire()).await.unwrap().forget();
    assert_eq!(town.handle.connections(), 0);
}

#[tokio::test]
async fn a_cut_answer_that_ends_by_closing_is_reset_and_does_not_look_whole() {
    let town = Town::open().await;
    let mut old = town.client().await;
    old.send("GET /big HTTP/1.0\r\n\r\n").await;
    moment().await;
    town.to(Phase::Closing);
    assert!(soon(old.closed()).await.is_err());
}

#[tokio::test]
async fn the_handles_figures_add_up() {
    let town = Town::open().await;
    let mut one = town.client().await;
    let mut two = town.client().await;
    for client in [&mut one, &mut two] {
        for _ in 0..3 {
            assert_eq!(client.get("/").await.text(), "ok");
        }
    }
    drop(one);
    town.closes(CloseReason::Ended, 1).await;
    two.send(SLOW).await;
    town.entered().await;
    let mut figures = Vec::new();
    town.handle.read(&mut |reading| {
        if reading.value != 0.0 {
            figures.push((
                reading.name,
                reading.labels.first().map(|label| label.1.to_owned()),
                reading.value,
            ));
        }
    });
    assert_eq!(
        figures,
        [
            ("macadam_serve_connections", None, 1.0),
            ("macadam_serve_accepted_total", None, 2.0),
            ("macadam_serve_requests_total", None, 7.0),
            ("macadam_serve_in_flight", None, 1.0),
            ("macadam_serve_closes_total", Some("ended".to_owned()), 1.0),
        ]
    );
}
