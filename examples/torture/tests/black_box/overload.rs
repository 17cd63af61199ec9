//! More than fits: never more in flight than the limit, a bounded queue, and 503 for the rest.

use std::time::Duration;

use macadam_test::wire::Client;
use tokio::time::sleep;

use crate::process::Torture;

#[tokio::test]
async fn never_more_than_the_limit_is_in_flight_and_the_rest_is_told_so() {
    let torture = Torture::start(&[
        ("MACADAM_LOAD_SHED_MAX_IN_FLIGHT", "8"),
        ("MACADAM_LOAD_SHED_QUEUE", "16"),
        ("MACADAM_LOAD_SHED_QUEUE_WAIT", "2s"),
    ])
    .await;
    let clients: Vec<_> = (0..200)
        .map(|_| {
            tokio::spawn(async move {
                let mut client = Client::connect(torture.public).await;
                client.get("/io?ms=300").await
            })
        })
        .collect();

    let mut admin = Client::connect(torture.admin).await;
    let (mut most_in_flight, mut most_queued) = (0.0_f64, 0.0_f64);
    while clients.iter().any(|client| !client.is_finished()) {
        let status: serde_json::Value = serde_json::from_slice(&admin.get("/status").await.body).unwrap();
        most_in_flight = most_in_flight.max(gauge(&status, "macadam_load_shed_in_flight"));
        most_queued = most_queued.max(gauge(&status, "macadam_load_shed_queued"));
        sleep(Duration::from_millis(2)).await;
    }
    let (mut served, mut shed) = (0, 0);
    for client in clients {
        let reply = client.await.unwrap();
        match reply.status.as_u16() {
            200 => served += 1,
            503 => {
                shed += 1;
                let retry: u32 = reply.header("retry-after").unwrap().parse().unwrap();
                assert!((1..=30).contains(&retry));
                assert!(reply.text().contains("urn:problem-type:macadam:overloaded"), "{}", reply.text());
            }
            other => panic!("{other}: {}", reply.text()),
        }
    }
    println!("served {served}, shed {shed}, at most {most_in_flight} in flight and {most_queued} queued");
    assert_eq!(most_in_flight, 8.0, "all of the limit is used, and no more");
    assert!(most_queued > 0.0 && most_queued <= 16.0);
    assert!((16..=24).contains(&served), "eight at once, and eight to sixteen after them: {served}");
    assert_eq!(served + shed, 200);
}

/// A client that is refused before it has been heard out is still there for another request.
#[tokio::test]
async fn a_refused_upload_keeps_its_connection() {
    let torture =
        Torture::start(&[("MACADAM_LOAD_SHED_MAX_IN_FLIGHT", "1"), ("MACADAM_LOAD_SHED_QUEUE", "0")]).await;
    let mut slow = Client::connect(torture.public).await;
    slow.send(b"GET /stream?frames=1000&every=100&bytes=1 HTTP/1.1\r\nhost: torture\r\n\r\n").await;
    let slow = slow.into_stream();
    // Its head is here, and so it has the one slot.
    slow.readable().await.unwrap();
    let mut client = Client::connect(torture.public).await;

    let upload =
        [b"POST /upload HTTP/1.1\r\nhost: torture\r\ncontent-length: 16384\r\n\r\n", &[b'x'; 16384][..]]
            .concat();
    for nth in 0..100 {
        client.send(&upload).await;
        let reply = client.response().await;
        assert_eq!(reply.status, 503, "{nth}");
        assert_eq!(reply.header("connection"), None, "{nth}");
    }
}

/// The sum of a gauge's readings on the status page.
fn gauge(status: &serde_json::Value, name: &str) -> f64 {
    let gauges = status["gauges"].as_array().expect("the page lists gauges");
    let named = gauges.iter().filter(|gauge| gauge["name"] == name);
    named.map(|gauge| gauge["value"].as_f64().expect("a number")).sum()
}
