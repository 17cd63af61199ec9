//! Three services in a row: a deadline goes along with a request, and gets shorter at each of them.

use std::time::Duration;

use macadam_test::wire::{Client, Reply};
use tokio::time::Instant;

use crate::process::Torture;

/// A service that calls one that calls another, the first one first.
async fn row(variables: &[(&str, &str)]) -> [Torture; 3] {
    let before = async |next: &Torture| {
        let next = format!("http://{}", next.public);
        let variables: Vec<_> = variables.iter().copied().chain([("TORTURE_NEXT", next.as_str())]).collect();
        Torture::start(&variables).await
    };
    let last = Torture::start(variables).await;
    let middle = before(&last).await;
    [before(&middle).await, middle, last]
}

/// Asks it for `/chain?ms=`, and gives it so much time.
async fn ask(torture: &Torture, ms: u64, timeout_ms: Option<u64>) -> Reply {
    let mut client = Client::connect(torture.public).await;
    let timeout = timeout_ms.map_or(String::new(), |ms| format!("x-request-timeout-ms: {ms}\r\n"));
    client.send(format!("GET /chain?ms={ms} HTTP/1.1\r\nhost: t\r\n{timeout}\r\n")).await;
    client.response().await
}

/// What was left to each handler, in milliseconds.
fn remaining(reply: &Reply) -> Vec<u64> {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let hops: serde_json::Value = serde_json::from_slice(&reply.body).expect("it is JSON");
    let hops = hops["remaining_ms"].as_array().expect("it is a list");
    hops.iter().map(|left| left.as_u64().expect("each of them has a deadline")).collect()
}

/// How often the handler of each was called.
async fn calls(row: &[Torture; 3]) -> [u64; 3] {
    let mut calls = [0; 3];
    for (torture, calls) in row.iter().zip(&mut calls) {
        let reply = Client::connect(torture.public).await.get("/chain/calls").await;
        *calls = reply.text().parse().expect("it is a number");
    }
    calls
}

#[tokio::test]
async fn what_remains_gets_less_from_one_service_to_the_next() {
    let row = row(&[]).await;
    for (timeout, first) in [(Some(2_000), 2_000), (None, 3_000)] {
        let left = remaining(&ask(&row[0], 50, timeout).await);
        assert_eq!(left.len(), 3);
        assert!(left[0] <= first && left[1] + 50 <= left[0] && left[2] + 50 <= left[1], "{left:?}");
    }
    assert_eq!(calls(&row).await, [2, 2, 2]);
}

#[tokio::test]
async fn the_handler_of_the_last_one_is_never_called_once_time_is_up() {
    let row = row(&[]).await;
    // The first one works 400 ms, which leaves the second 300 ms for its own 400.
    let from = Instant::now();
    let reply = ask(&row[0], 400, Some(700)).await;
    assert_eq!(reply.status, 504, "{}", reply.text());
    // Nor is it waited for: with all that the second one and the third one have to do it would have been 1,200 ms.
    assert!(from.elapsed() < Duration::from_millis(1_100), "{:?}", from.elapsed());
    // Time enough for a call that should not be made.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(calls(&row).await, [1, 1, 0]);

    // On arrival it is too late as well: 503, since nothing was done.
    let reply = ask(&row[2], 1, Some(0)).await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(calls(&row).await, [1, 1, 0]);

    // The control: with time for all three, all three are called.
    assert_eq!(remaining(&ask(&row[0], 1, Some(2_000)).await).len(), 3);
    assert_eq!(calls(&row).await, [2, 2, 1]);
}

#[tokio::test]
async fn services_that_do_not_inherit_have_each_all_of_their_own_time() {
    // The control of both.
    let row = row(&[("MACADAM_TIMEOUTS_INHERIT", "off")]).await;
    let left = remaining(&ask(&row[0], 50, Some(100)).await);
    assert!(left.iter().all(|left| *left > 2_900), "{left:?}");
}
