//! The list of fields, and the fields that are written.

use std::{collections::BTreeSet, future::ready};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use macadam_core::{RequestContext, Route};
use macadam_telemetry::{Field, Signal, TelemetryLayer};
use macadam_test::{Refused, ScriptedBody, Step, events::capture};
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test]
async fn the_span_and_the_access_line_have_the_fields_of_the_list_and_no_others() {
    let captured = capture();
    let service = TelemetryLayer::new().layer(service_fn(|mut request: Request<()>| {
        RequestContext::of(&mut request).set_route(Route::intern("/orders/{id}"));
        let mut response = Response::new(ScriptedBody::new([Step::data("no")]));
        // A success has no error to tell.
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        ready(Ok::<_, Refused>(response))
    }));
    let mut request = Request::get("/orders/7?secret=1").body(()).expect("it is a request");
    let context = RequestContext::of(&mut request);
    context.set_request_id("0193a3f0").expect("it is an id");
    let response = service.oneshot(request).await.expect("it answers");
    response.into_body().collect().await.expect("it ends");

    let listed = |on| -> BTreeSet<&str> {
        Field::ALL.iter().filter(|field| field.on == on).map(|field| field.name).collect()
    };
    let span: BTreeSet<_> = captured.span("request").fields.into_keys().collect();
    assert_eq!(span, listed(Signal::Span));
    let events = captured.events();
    let access = events.iter().find(|event| event.target == "macadam::access").expect("a line is written");
    assert_eq!(access.fields.keys().copied().collect::<BTreeSet<_>>(), listed(Signal::Access));
}
