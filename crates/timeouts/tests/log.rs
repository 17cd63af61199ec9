//! What the log tells of timeouts. One test a process: whether an event is wanted at all is decided once, by the first
//! thread that comes across it.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use macadam_core::RequestContext;
use macadam_test::events::{self, Captured};
use macadam_timeouts::TimeoutLayer;
use tokio::time::{advance, sleep};
use tower::{Layer, ServiceExt, service_fn};

const TICK: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn lines(captured: &Captured) -> Vec<String> {
    let events = captured.events().into_iter().filter(|event| event.target == "macadam_timeouts");
    let line = |event: events::EventRecord| {
        assert_eq!((event.level, event.spans.len()), (tracing::Level::WARN, 0), "it is nobody's line");
        event.fields.iter().fold(event.message, |line, (name, value)| format!("{line} {name}={value}"))
    };
    events.map(line).collect()
}

/// So many requests that take a tick too long.
async fn late(layer: &TimeoutLayer, requests: u32) {
    for _ in 0..requests {
        let handler = service_fn(async |_| {
            sleep(2 * TICK).await;
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        layer.layer(handler).oneshot(Request::new(())).await.unwrap();
    }
}

async fn turn() {
    for _ in 0..4 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_line_a_second_at_most_says_how_many_timed_out_and_why() {
    let layer = TimeoutLayer::new(TICK);
    late(&layer, 1).await;

    let captured = events::capture();
    late(&layer, 1).await;
    turn().await;
    assert_eq!(lines(&captured), ["timing out cause.deadline=1 expired=1"], "the first at once");

    late(&layer, 3).await;
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    context.inherit_deadline(context.arrival());
    layer
        .layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new()))))
        .oneshot(request)
        .await
        .unwrap();
    advance(SECOND - 4 * TICK).await;
    turn().await;
    assert_eq!(lines(&captured).len(), 1, "less than a second later");
    advance(4 * TICK).await;
    turn().await;
    assert_eq!(lines(&captured)[1..], ["timing out cause.deadline=3 cause.on_arrival=1 expired=4"]);

    sleep(10 * SECOND).await;
    assert_eq!(lines(&captured).len(), 2, "nothing timed out");
    late(&TimeoutLayer::new(TICK).dry_run(), 1).await;
    turn().await;
    assert_eq!(lines(&captured)[2..], ["would time out cause.deadline=1 expired=1"]);
}
