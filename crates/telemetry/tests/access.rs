//! The level of the access line, and what it says of a failure.

use std::future::ready;

use http::{Request, Response};
use macadam_core::{Kind, Outcome, Rejection, RequestContext};
use macadam_telemetry::{Access, TelemetryLayer};
use macadam_test::{
    ScriptedBody,
    events::{EventRecord, capture},
};
use tower::{Layer, ServiceExt, service_fn};
use tracing::Level;

async fn event(access: Access, status: u16, outcome: Option<Outcome>) -> Option<EventRecord> {
    let captured = capture();
    let service = TelemetryLayer::new().access(access).layer(service_fn(move |_: Request<()>| {
        let mut response = Response::builder().status(status).body(ScriptedBody::empty());
        if let (Ok(response), Some(_)) = (&mut response, outcome) {
            // As who settles an outcome leaves there.
            response.extensions_mut().insert(Rejection::new(Kind::DeadlineExceeded));
        }
        ready(response)
    }));
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    outcome.into_iter().for_each(|outcome| {
        context.settle(outcome);
    });
    drop(service.oneshot(request).await.expect("it answers"));
    let mut events = captured.events();
    assert!(events.len() <= 1, "{events:#?}");
    events.pop()
}

#[tokio::test]
async fn the_access_line_is_at_the_level_that_was_chosen_and_one_of_a_shed_request_at_debug() {
    for (access, served, shed) in [
        (Access::Info, Some(Level::INFO), Some(Level::DEBUG)),
        (Access::Debug, Some(Level::DEBUG), Some(Level::DEBUG)),
        (Access::Off, None, None),
    ] {
        assert_eq!(event(access, 200, None).await.map(|event| event.level), served);
        assert_eq!(event(access, 503, Some(Outcome::Shed)).await.map(|event| event.level), shed);
        assert_eq!(event(access, 500, None).await.map(|event| event.level), served, "no level of its own");
    }
}

#[tokio::test]
async fn the_access_line_says_what_kind_of_error_it_was_as_the_metrics_do() {
    for (status, outcome, error) in [
        (200, None, None),
        (404, None, None),
        (500, None, Some("500")),
        (503, Some(Outcome::Shed), Some("shed")),
        (504, Some(Outcome::TimedOut), Some("timeout")),
    ] {
        let event = event(Access::Debug, status, outcome).await.expect("there is one");
        assert_eq!(event.fields.get("error.type").map(String::as_str), error);
        assert_eq!(event.fields["http.response.status_code"], status.to_string());
    }
}
