//! What the layer says in logs, and what never gets there.

use std::convert::Infallible;

use http::{HeaderValue, Request, Response};
use macadam_request_id::{RequestId, RequestIdLayer};
use macadam_test::events;
use tower::{Layer, ServiceExt, service_fn};
use tracing::Instrument;

async fn answer(request: Request<()>) -> Result<Response<()>, Infallible> {
    tracing::info!(id = %RequestId::of(&request).expect("the layer gave it one"), "handled");
    Ok(Response::new(()))
}

#[tokio::test]
async fn the_current_spans_field_gets_the_id() {
    let captured = events::capture();
    let span = tracing::info_span!("outer", request_id = tracing::field::Empty);
    let service = RequestIdLayer::edge().layer(service_fn(answer));
    let response = service.oneshot(Request::new(())).instrument(span).await.unwrap();
    let id = response.headers()["x-request-id"].to_str().unwrap();
    assert_eq!(captured.span("outer").fields["request_id"], id);
    assert_eq!(captured.events()[0].fields["id"], id);
}

#[tokio::test]
async fn a_span_without_the_field_is_left_alone_and_none_is_made() {
    let captured = events::capture();
    let service = RequestIdLayer::edge().layer(service_fn(answer));
    service.clone().oneshot(Request::new(())).await.unwrap();
    service.oneshot(Request::new(())).instrument(tracing::info_span!("outer")).await.unwrap();
    assert!(captured.span("outer").fields.is_empty());
    assert_eq!(captured.spans().len(), 1);
}

#[tokio::test]
async fn an_id_that_is_not_kept_is_in_no_span_and_no_event() {
    const HOSTILE: &[&[u8]] =
        &[b"hostile \"quoted\"", b"hostile\ttab", b"hostile\xff", "hostile\u{202e}".as_bytes()];
    let captured = events::capture();
    let (layer, handle) = RequestIdLayer::internal().pair();
    for value in HOSTILE {
        let mut request = Request::new(());
        request.headers_mut().insert("x-request-id", HeaderValue::from_bytes(value).unwrap());
        let span = tracing::trace_span!("outer", request_id = tracing::field::Empty);
        layer.layer(service_fn(answer)).oneshot(request).instrument(span).await.unwrap();
    }
    assert_eq!(handle.replaced(macadam_request_id::Replaced::Charset), 4);
    assert_eq!((captured.spans().len(), captured.events().len()), (4, 4), "there is something to look at");
    let said = format!("{captured:?}{handle:?}{layer:?}");
    assert!(!said.contains("hostile"), "{said}");
}

#[test]
fn the_error_for_an_invalid_id_does_not_quote_it() {
    let error = RequestId::try_from("hostile hostile").unwrap_err();
    assert!(!format!("{error}{error:?}").contains("hostile"));
}
