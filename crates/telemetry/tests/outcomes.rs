//! What became of the requests that are over.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use macadam_core::{Kind, Outcome, Outcomes, Rejection, RequestContext};
use macadam_telemetry::TelemetryLayer;
use macadam_test::{ScriptedBody, Step};
use tokio::time::sleep;
use tower::{Layer, ServiceExt};

/// Sends one request, which is answered so after this time, and reads the answer to its end.
async fn one(response: Response<ScriptedBody>, after: Duration, settled: Option<Outcome>) -> Outcomes {
    let (layer, handle) = TelemetryLayer::new().pair();
    let (inner, script) = macadam_test::service();
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    context.set_request_id("01J-42").expect("it is an id");
    let answered = tokio::spawn(layer.layer(inner).oneshot(request));
    let call = script.next_call().await;
    sleep(after).await;
    if let Some(outcome) = settled {
        context.settle(outcome);
    }
    call.respond(response);
    let body = answered.await.expect("it does not panic").expect("the service does not fail").into_body();
    assert!(!body.is_end_stream());
    let _ = body.collect().await;
    assert_eq!(handle.active(), 0);
    handle.outcomes().clone()
}

fn answer(status: StatusCode) -> Response<ScriptedBody> {
    let mut response = Response::new(ScriptedBody::new([Step::data("one")]));
    *response.status_mut() = status;
    response
}

const TICK: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_a_second_is_noted_and_a_tick_less_is_not() {
    let quick = one(answer(StatusCode::OK), SECOND - TICK, None).await;
    assert_eq!(quick.count(Outcome::Finished), 1);
    assert_eq!(quick.durations().count(), 1);
    assert!(quick.noted().is_empty());

    let slow = one(answer(StatusCode::OK), SECOND, None).await.noted();
    let [slow] = slow[..] else { panic!("{slow:?}") };
    assert_eq!((slow.id.unwrap().as_str(), slow.method), ("01J-42", "GET"));
    assert_eq!((slow.took, slow.status, slow.outcome), (SECOND, Some(StatusCode::OK), Outcome::Finished));
}

#[tokio::test(start_paused = true)]
async fn a_5xx_and_what_was_cut_have_failed_and_are_noted_however_quick_and_a_4xx_is_neither() {
    for (status, failures) in [(StatusCode::INTERNAL_SERVER_ERROR, 1), (StatusCode::NOT_FOUND, 0)] {
        let outcomes = one(answer(status), TICK, None).await;
        assert_eq!((outcomes.failed(), outcomes.noted().len()), (failures, failures as usize));
    }
    for cut in [Outcome::TimedOut, Outcome::CutByShutdown, Outcome::Panicked, Outcome::Failed] {
        let outcomes = one(answer(StatusCode::OK), TICK, Some(cut)).await;
        assert_eq!((outcomes.count(cut), outcomes.failed(), outcomes.noted()[0].outcome), (1, 1, cut));
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_made_of_a_body_that_did_not_come_is_told_as_the_408_that_its_client_gets() {
    let noted = async |response| one(response, TICK, Some(Outcome::TimedOut)).await.noted()[0].status;
    assert_eq!(noted(answer(StatusCode::BAD_REQUEST)).await, Some(StatusCode::REQUEST_TIMEOUT));
    assert_eq!(noted(answer(StatusCode::INTERNAL_SERVER_ERROR)).await, Some(StatusCode::REQUEST_TIMEOUT));
    // Who answers all the same is not contradicted, and neither is a deadline.
    assert_eq!(noted(answer(StatusCode::OK)).await, Some(StatusCode::OK));
    let mut expired = answer(StatusCode::GATEWAY_TIMEOUT);
    expired.extensions_mut().insert(Rejection::new(Kind::DeadlineExceeded));
    assert_eq!(noted(expired).await, Some(StatusCode::GATEWAY_TIMEOUT));
}

#[tokio::test(start_paused = true)]
async fn what_was_shed_is_counted_and_neither_timed_nor_noted() {
    let shed = one(answer(StatusCode::SERVICE_UNAVAILABLE), SECOND, Some(Outcome::Shed)).await;
    assert_eq!((shed.count(Outcome::Shed), shed.failed()), (1, 0));
    assert_eq!((shed.durations().count(), shed.noted().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_event_stream_is_neither_slow_nor_timed() {
    let mut response = answer(StatusCode::OK);
    response.headers_mut().insert("content-type", "text/event-stream".parse().expect("it is a header"));
    let stream = one(response, SECOND, None).await;
    assert_eq!(
        (stream.count(Outcome::Finished), stream.durations().count(), stream.noted().len()),
        (1, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_thread_the_last_32_are_kept_the_latest_first() {
    let outcomes = Outcomes::new();
    for id in 0..40 {
        let context = RequestContext::of(&mut Request::new(()));
        context.set_request_id(format!("{id}")).unwrap();
        context.settle(Outcome::Panicked);
        outcomes.end(&context, None, false);
        sleep(TICK).await;
    }
    let ids: Vec<_> = outcomes.noted().iter().map(|noted| noted.id.unwrap().to_string()).collect();
    assert_eq!(ids, (8..40).rev().map(|id| id.to_string()).collect::<Vec<_>>());
}
