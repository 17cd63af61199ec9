//! What the log tells of an overload. One test a process: whether an event is wanted at all is decided once, by the first
//! thread that comes across it.
#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

#[path = "gate/stand.rs"]
#[expect(dead_code, reason = "the stand has more than is needed here")]
mod stand;

use macadam_load_shed::{LoadShedLayer, Mode};
use macadam_test::{
    allocations,
    events::{self, Captured, EventRecord},
};
use stand::{Stand, due_in, limit, pass, turn};
use tokio::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn lines(captured: &Captured) -> Vec<EventRecord> {
    captured.events().into_iter().filter(|event| event.target == "macadam_load_shed").collect()
}

fn fields(line: &EventRecord) -> String {
    line.fields
        .iter()
        .map(|(name, value)| format!("{name}={value} "))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

async fn refused(stand: &Stand, requests: u32) {
    for _ in 0..requests {
        assert_eq!(stand.get("/").await.await.unwrap().unwrap().status(), 503);
    }
}

#[tokio::test(start_paused = true)]
async fn a_gate_logs_one_line_a_second_at_most() {
    let silent = Stand::new(limit(1).queue(0));
    let _runs = silent.get("/").await;
    refused(&silent, 10).await;

    let captured = events::capture();
    one_line_a_second(&captured, limit(1).queue(0)).await;
    one_line_a_second(&captured, LoadShedLayer::adaptive_up_to(1).unwrap().queue(0)).await;
    each_reason_has_its_count(&captured).await;
    a_dry_run_says_so(&captured).await;
    a_line_costs_the_refused_nothing(&captured).await;
}

async fn one_line_a_second(captured: &Captured, layer: LoadShedLayer) {
    let before = lines(captured).len();
    let told = || lines(captured).split_off(before);
    let stand = Stand::new(layer);
    let _runs = stand.get("/").await;
    assert_eq!(told().len(), 0, "one runs");

    let began = Instant::now();
    refused(&stand, 1).await;
    let first = told();
    assert_eq!(first.len(), 1, "the first is told at once");
    assert_eq!((first[0].message.as_str(), first[0].level), ("shedding", tracing::Level::WARN));
    assert_eq!(fields(&first[0]), "in_flight=1 limit=1 queued=0 reason.queue_full=1 refused=1");
    assert!(first[0].spans.is_empty(), "it is nobody's line");

    refused(&stand, 4).await;
    pass(began + SECOND - TICK - Instant::now()).await;
    assert_eq!(told().len(), 1, "a tick less than a second");
    pass(TICK).await;
    let second = told();
    assert_eq!(second.len(), 2);
    assert_eq!(fields(&second[1]), "in_flight=1 limit=1 queued=0 reason.queue_full=4 refused=4");

    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(told().len(), 2, "nobody was refused");
    refused(&stand, 2).await;
    assert_eq!(told().len(), 3, "and at once again");
    pass(SECOND).await;
    assert_eq!(told()[3].fields["refused"], "1");
}

/// Two reasons, and somebody who waits.
async fn each_reason_has_its_count(captured: &Captured) {
    let stand = Stand::new(limit(1).queue(2).max_wait(SECOND / 2));
    let _runs = (stand.get("/").await, stand.get("/").await);
    assert!(stand.send(due_in(Duration::ZERO).0).await.is_finished());
    stand.get("/").await;
    refused(&stand, 3).await;
    let before = lines(captured).len();
    pass(SECOND / 2).await;
    pass(SECOND / 2).await;
    let expected = "in_flight=1 limit=1 queued=0 reason.queue_full=3 reason.queue_wait=2 refused=5";
    let told = lines(captured).split_off(before);
    assert_eq!(told.len(), 1);
    assert_eq!(fields(&told[0]), expected);
    assert_eq!(
        fields(&lines(captured)[before - 1]),
        "in_flight=1 limit=1 queued=1 reason.deadline=1 refused=1"
    );
}

async fn a_dry_run_says_so(captured: &Captured) {
    let stand = Stand::new(limit(1).queue(0).mode(Mode::DryRun));
    let _run = (stand.get("/").await, stand.get("/").await);
    let line = lines(captured).pop().unwrap();
    assert_eq!((line.message.as_str(), line.fields["refused"].as_str()), ("would shed", "1"));
}

/// The first one pays for the task.
async fn a_line_costs_the_refused_nothing(captured: &Captured) {
    let stand = Stand::new(limit(1).queue(0));
    let _runs = stand.get("/").await;
    refused(&stand, 1).await;
    let before = lines(captured).len();
    let mut service = stand.readied().await;
    let mut requests: Vec<_> = (0..1_000).map(|_| due_in(SECOND).0).collect();
    for request in &mut requests {
        // As any request has them: a refusal takes over their memory.
        request.headers_mut().insert("host", http::HeaderValue::from_static("test"));
    }
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let count = allocations(|| {
        for request in requests {
            let refused = std::pin::pin!(tower::Service::call(&mut service, request)).poll(&mut cx);
            assert!(refused.is_ready());
        }
    });
    assert_eq!(count, 2 * 1_000);
    turn().await;
    assert_eq!(lines(captured).len(), before, "they are in the next line");
    pass(SECOND).await;
    assert_eq!(lines(captured)[before].fields["refused"], "1000");
}
