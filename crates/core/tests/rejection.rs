//! What a client gets instead of the service's answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Empty};
use macadam_core::{Kind, Rejection, Render, RequestContext, ResponseBody, Wire};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::time::Instant;

const KINDS: [Kind; 8] = [
    Kind::Overloaded,
    Kind::OverShare,
    Kind::Deadline,
    Kind::DeadlineExceeded,
    Kind::MalformedTimeout,
    Kind::RequestTimeout,
    Kind::ContentTooLarge,
    Kind::Panicked,
];

fn wire(version: Version, content_type: &str) -> Wire {
    let request = Request::post("/").version(version).header("content-type", content_type);
    Wire::of(&request.body(()).expect("the parts are valid"))
}

fn http1() -> Wire {
    wire(Version::HTTP_11, "application/json")
}

fn grpc() -> Wire {
    wire(Version::HTTP_2, "application/grpc+proto")
}

fn with_id(id: &str) -> RequestContext {
    let context = RequestContext::new(Instant::now(), None, http1());
    context.set_request_id(id).expect("it is an id");
    context
}

/// The response, with its body read.
fn sent(
    rejection: Rejection,
    wire: &Wire,
    context: Option<&RequestContext>,
    own: Option<&dyn Render>,
) -> Response<Bytes> {
    let response: Response<ResponseBody<Empty<Bytes>>> = rejection.into_response(wire, context, own);
    let (head, body) = response.into_parts();
    let read = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime starts")
        .block_on(body.collect());
    Response::from_parts(head, read.expect("a document does not fail").to_bytes())
}

fn document(response: &Response<Bytes>) -> Value {
    serde_json::from_slice(response.body()).expect("the document is JSON")
}

#[test]
fn each_kind_is_this_problem_byte_for_byte() {
    let problems = [
        (
            503,
            r#"{"type":"urn:problem-type:macadam:overloaded","title":"Service Unavailable","status":503,"detail":"The service has no room for this request. It was not processed; try again later.","request_id":"7"}"#,
        ),
        (
            429,
            r#"{"type":"urn:problem-type:macadam:over-share","title":"Too Many Requests","status":429,"detail":"Too many requests at a time, while the service is full. It was not processed; try again later.","request_id":"7"}"#,
        ),
        (
            503,
            r#"{"type":"urn:problem-type:macadam:deadline","title":"Service Unavailable","status":503,"detail":"The deadline could not be met. The request was not processed.","request_id":"7"}"#,
        ),
        (
            504,
            r#"{"type":"urn:problem-type:macadam:deadline-exceeded","title":"Gateway Timeout","status":504,"detail":"The deadline passed while the request was processed.","request_id":"7"}"#,
        ),
        (
            400,
            r#"{"type":"urn:problem-type:macadam:malformed-timeout","title":"Bad Request","status":400,"detail":"A header that says how long the client waits is malformed. The request was not processed.","request_id":"7"}"#,
        ),
        (
            408,
            r#"{"type":"urn:problem-type:macadam:request-timeout","title":"Request Timeout","status":408,"detail":"The request was not received in time.","request_id":"7"}"#,
        ),
        (
            413,
            r#"{"type":"urn:problem-type:macadam:content-too-large","title":"Payload Too Large","status":413,"detail":"The request's body is larger than the service accepts.","request_id":"7"}"#,
        ),
        (
            500,
            r#"{"type":"urn:problem-type:macadam:panicked","title":"Internal Server Error","status":500,"detail":"The service failed on this request.","request_id":"7"}"#,
        ),
    ];
    let context = with_id("7");
    for (kind, (status, problem)) in KINDS.into_iter().zip(problems) {
        let response = sent(Rejection::new(kind), &http1(), Some(&context), None);
        assert_eq!(response.status(), status);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.body(), problem);
        assert_eq!(response.extensions().get(), Some(&Rejection::new(kind)));
    }
}

#[test]
fn a_request_without_an_id_gets_a_problem_without_one() {
    let problem = json!({
        "type": "urn:problem-type:macadam:panicked",
        "title": "Internal Server Error",
        "status": 500,
        "detail": "The service failed on this request.",
    });
    let nameless = RequestContext::new(Instant::now(), None, http1());
    for context in [None, Some(&nameless)] {
        assert_eq!(document(&sent(Rejection::new(Kind::Panicked), &http1(), context, None)), problem);
    }
}

#[test]
fn a_grpc_request_gets_its_status_in_the_head_of_an_empty_200() {
    for (kind, status) in KINDS.into_iter().zip(["14", "8", "4", "4", "13", "4", "8", "13"]) {
        let response = sent(Rejection::new(kind).retry_after_secs(1), &grpc(), None, None);
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "application/grpc");
        assert_eq!(response.headers()["grpc-status"], status);
        assert_eq!(response.headers()["grpc-message"], kind.detail());
        assert!(response.body().is_empty());
        assert_eq!(response.extensions().get::<Rejection>().map(Rejection::kind), Some(kind));
    }
}

#[test]
fn a_details_text_needs_no_escaping_in_json_or_in_a_grpc_message() {
    for kind in KINDS {
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\\' | b'%');
        assert!(kind.detail().bytes().all(plain), "{kind}");
    }
}

#[test]
fn a_reason_is_a_member_of_the_problem() {
    let rejection = Rejection::new(Kind::Overloaded).because("queue-full");
    let response = sent(rejection, &http1(), None, None);
    assert_eq!(document(&response)["reason"], "queue-full");
    assert_eq!(response.extensions().get::<Rejection>().and_then(Rejection::reason), Some("queue-full"));
}

#[test]
#[should_panic(expected = "lower-case letters and hyphens")]
fn a_reason_that_would_have_to_be_escaped_is_refused() {
    let _ = Rejection::new(Kind::Overloaded).because("so \"full\"");
}

#[test]
fn a_kind_is_always_a_4xx_or_5xx() {
    for kind in KINDS {
        assert!(kind.status().is_client_error() || kind.status().is_server_error(), "{kind}");
    }
}

#[test]
fn the_answer_to_a_head_has_the_length_that_a_get_would_have_had() {
    let request = Request::builder().method(Method::HEAD).body(()).unwrap();
    let head = sent(Rejection::new(Kind::Overloaded), &Wire::of(&request), None, None);
    let get = sent(Rejection::new(Kind::Overloaded), &http1(), None, None);
    assert_eq!(head.body(), get.body());
}

#[test]
fn a_connection_is_closed_where_that_was_asked_and_the_version_knows_it() {
    let closes = |rejection: Rejection, version| {
        let response = sent(rejection, &wire(version, ""), None, None);
        response.headers().get("connection").map(|value| value.to_str().unwrap().to_owned())
    };
    let overloaded = Rejection::new(Kind::Overloaded);
    assert_eq!(closes(overloaded, Version::HTTP_11), None);
    assert_eq!(closes(overloaded.close(), Version::HTTP_10).as_deref(), Some("close"));
    assert_eq!(closes(overloaded.close(), Version::HTTP_11).as_deref(), Some("close"));
    assert_eq!(closes(overloaded.close(), Version::HTTP_2), None);
    assert_eq!(closes(Rejection::new(Kind::RequestTimeout), Version::HTTP_11).as_deref(), Some("close"));
    assert_eq!(closes(Rejection::new(Kind::RequestTimeout), Version::HTTP_2), None);
}

#[test]
fn retry_after_is_said_in_seconds_and_only_where_it_is_known() {
    let response = sent(Rejection::new(Kind::Overloaded), &http1(), None, None);
    assert!(!response.headers().contains_key("retry-after"));
    let response = sent(Rejection::new(Kind::Overloaded).retry_after_secs(7), &http1(), None, None);
    assert_eq!(response.headers()["retry-after"], "7");
}

#[test]
fn a_renderer_decides_the_form_and_may_leave_the_rest() {
    let teapot = |_: &Rejection, _: &Wire, _: Option<&RequestContext>| {
        let mut response = Response::new(Bytes::from_static(b"short and stout"));
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
        response.headers_mut().insert("connection", HeaderValue::from_static("keep-alive"));
        response
    };
    let refusal = Rejection::new(Kind::Overloaded).retry_after_secs(7).close();
    let response = sent(refusal, &http1(), None, Some(&teapot));
    assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
    assert_eq!(response.headers()["retry-after"], "1");
    assert_eq!(response.headers()["connection"], "keep-alive");
    assert_eq!(response.body(), "short and stout");

    let response = sent(refusal, &http1(), None, Some(&name));
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "7");
    assert_eq!(response.headers()["connection"], "close");
    assert_eq!(response.body(), "overloaded");
    assert_eq!(response.extensions().get(), Some(&refusal));
}

fn name(rejection: &Rejection, _: &Wire, _: Option<&RequestContext>) -> Response<Bytes> {
    Response::new(Bytes::from_static(rejection.kind().as_str().as_bytes()))
}

#[test]
fn a_layers_own_renderer_comes_before_the_contexts() {
    let context = with_id("7");
    context.set_renderer(Arc::new(|_: &Rejection, _: &Wire, context: Option<&RequestContext>| {
        let id = context.and_then(RequestContext::request_id).expect("the context is there");
        Response::new(Bytes::copy_from_slice(id.as_bytes()))
    }));
    let refusal = Rejection::new(Kind::Overloaded);
    assert_eq!(sent(refusal, &http1(), Some(&context), None).body(), "7");
    assert_eq!(sent(refusal, &http1(), Some(&context), Some(&name)).body(), "overloaded");
}

#[test]
fn a_renderer_that_knows_no_grpc_does_not_break_it() {
    let response = sent(Rejection::new(Kind::Overloaded), &grpc(), None, Some(&name));
    assert_eq!(response.headers()["grpc-status"], "14");
    assert!(response.body().is_empty());

    let knows = |_: &Rejection, wire: &Wire, _: Option<&RequestContext>| {
        assert_eq!(wire, &grpc());
        Response::builder().header("grpc-status", "2").body(Bytes::new()).unwrap()
    };
    let response = sent(Rejection::new(Kind::Overloaded), &grpc(), None, Some(&knows));
    assert_eq!(response.headers()["grpc-status"], "2");
    assert!(!response.headers().contains_key("grpc-message"));
}

#[test]
fn another_status_changes_neither_the_kind_nor_what_grpc_is_told() {
    let rejection = Rejection::new(Kind::Overloaded).with_status(StatusCode::TOO_MANY_REQUESTS);
    let response = sent(rejection, &http1(), None, None);
    assert_eq!((response.status(), rejection.kind()), (StatusCode::TOO_MANY_REQUESTS, Kind::Overloaded));
    let document = document(&response);
    assert_eq!((&document["status"], &document["title"]), (&json!(429), &json!("Too Many Requests")));
    assert_eq!(document["type"], "urn:problem-type:macadam:overloaded");
    let own = |_: &Rejection, _: &Wire, _: Option<&RequestContext>| Response::new(Bytes::new());
    assert_eq!(sent(rejection, &http1(), None, Some(&own)).status(), 429, "a renderer's is the same");
    assert_eq!(sent(rejection, &grpc(), None, None).headers()["grpc-status"], "14");
}

#[test]
#[should_panic(expected = "a 4xx or a 5xx")]
fn a_refusal_is_never_a_success() {
    let _ = Rejection::new(Kind::Overloaded).with_status(StatusCode::OK);
}

proptest! {
    #[test]
    fn a_problem_parses_back_whatever_the_id(id in "[A-Za-z0-9._:@/+=-]{1,128}") {
        let problem = document(&sent(Rejection::new(Kind::Overloaded), &http1(), Some(&with_id(&id)), None));
        prop_assert_eq!(problem["request_id"].as_str(), Some(id.as_str()));
        prop_assert_eq!(problem.as_object().unwrap().len(), 5);
    }
}
