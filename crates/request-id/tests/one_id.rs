//! One id, the same wherever the request can be seen.

use std::convert::Infallible;

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use macadam_core::{Kind, Rejection, RequestContext, ResponseBody, Wire};
use macadam_request_id::{Hex32, InvalidRequestId, Replaced, RequestId, RequestIdLayer, Ulid};
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

const X_REQUEST_ID: &str = "x-request-id";

/// What the service saw, by way of its response's extensions.
#[derive(Clone)]
struct Seen {
    header: Vec<HeaderValue>,
    context: RequestId,
}

impl Seen {
    /// The id, which the context says, and the header too if there is one.
    fn id(&self) -> &str {
        assert!(
            self.header.is_empty() || self.header == [HeaderValue::from(self.context)],
            "one value, and the context's"
        );
        self.context.as_str()
    }
}

async fn answer(request: Request<()>) -> Result<Response<String>, Infallible> {
    let header = request.headers().get_all(X_REQUEST_ID).iter().cloned().collect();
    let context = RequestId::of(&request).expect("the layer leaves the id in the context");
    let mut response = Response::new(String::new());
    response.extensions_mut().insert(Seen { header, context });
    Ok(response)
}

fn brings<V>(values: impl IntoIterator<Item = V>) -> Request<()>
where
    V: AsRef<[u8]>,
{
    let mut request = Request::new(());
    for value in values {
        let value = HeaderValue::from_bytes(value.as_ref()).expect("a header may have this value");
        request.headers_mut().append(X_REQUEST_ID, value);
    }
    request
}

/// The id that a request gets, seen by the service, in the context and on the response.
async fn id(layer: &RequestIdLayer, request: Request<()>) -> String {
    let response = layer.layer(service_fn(answer)).oneshot(request).await.unwrap();
    let seen: &Seen = response.extensions().get().expect("the service was called");
    let values: Vec<_> = response.headers().get_all(X_REQUEST_ID).iter().collect();
    assert_eq!(values, [seen.id()]);
    seen.id().to_owned()
}

fn is_uuid7(id: &str) -> bool {
    id.len() == 36
        && id.as_bytes()[14] == b'7'
        && [8, 13, 18, 23].iter().all(|&dash| id.as_bytes()[dash] == b'-')
}

#[tokio::test]
async fn a_request_without_an_id_gets_a_uuid_of_version_7() {
    for layer in [RequestIdLayer::internal(), RequestIdLayer::edge()] {
        let id = id(&layer, Request::new(())).await;
        assert!(is_uuid7(&id), "{id}");
    }
}

#[tokio::test]
async fn a_valid_id_is_kept_inside_and_replaced_at_the_edge() {
    let theirs = "0193a3f0-7d2e-4c1b-9a5e-3f6b8c9d0e1f";
    assert_eq!(id(&RequestIdLayer::internal(), brings([theirs])).await, theirs);
    assert_ne!(id(&RequestIdLayer::edge(), brings([theirs])).await, theirs);
}

#[tokio::test]
async fn an_id_has_1_to_128_bytes() {
    let internal = RequestIdLayer::internal();
    for length in [1, 128] {
        let theirs = "x".repeat(length);
        assert_eq!(id(&internal, brings([&theirs])).await, theirs);
    }
    for length in [0, 129, 65_536] {
        let ours = id(&internal, brings(["x".repeat(length)])).await;
        assert!(is_uuid7(&ours), "{length}: {ours}");
    }
}

#[tokio::test]
async fn an_id_has_letters_digits_and_harmless_punctuation() {
    let internal = RequestIdLayer::internal();
    for byte in (0x20..=0xff).filter(|byte| *byte != 0x7f).chain([b'\t']) {
        let theirs = [b'a', byte, b'z'];
        let kept = id(&internal, brings([theirs])).await.as_bytes() == theirs;
        assert_eq!(kept, byte.is_ascii_alphanumeric() || b"._:@/+=-".contains(&byte), "{byte:#x}");
    }
    for hostile in ["\u{202e}di", "a\u{2028}b", "${jndi:ldap://x}", "a b=\"c\"", "{{7*7}}", "a,b"] {
        assert!(is_uuid7(&id(&internal, brings([hostile])).await), "{hostile}");
    }
}

#[tokio::test]
async fn of_two_ids_neither_is_kept() {
    for layer in [RequestIdLayer::internal(), RequestIdLayer::edge()] {
        for values in [["one", "two"], ["same", "same"]] {
            assert!(is_uuid7(&id(&layer, brings(values)).await), "{values:?}");
        }
    }
}

#[tokio::test]
async fn the_predicate_decides_whose_id_is_kept() {
    let from_the_mesh = RequestIdLayer::accept_if(|inbound| inbound.headers().contains_key("x-mesh"));
    let mut trusted = brings(["theirs"]);
    trusted.headers_mut().insert("x-mesh", HeaderValue::from_static("1"));
    assert_eq!(id(&from_the_mesh, trusted).await, "theirs");
    assert!(is_uuid7(&id(&from_the_mesh, brings(["theirs"])).await));
}

#[tokio::test]
async fn the_predicate_sees_the_peer_and_the_extensions() {
    let layer = RequestIdLayer::accept_if(|inbound| {
        let is_local = inbound.context().peer().is_some_and(|peer| peer.ip().is_loopback());
        is_local && inbound.extensions().get() == Some(&"certificate")
    });
    for (peer, extension, is_kept) in [
        ([127, 0, 0, 1], "certificate", true),
        ([127, 0, 0, 1], "none", false),
        ([10, 0, 0, 1], "certificate", false),
    ] {
        let mut request = brings(["theirs"]);
        let context = RequestContext::new(Instant::now(), Some((peer, 9).into()), Wire::of(&request));
        request.extensions_mut().insert(context);
        request.extensions_mut().insert(extension);
        assert_eq!(id(&layer, request).await == "theirs", is_kept, "{peer:?} {extension}");
    }
}

#[tokio::test]
async fn every_status_carries_the_id() {
    for status in [101, 200, 204, 304, 404, 405, 408, 413, 500, 503, 504] {
        let service = service_fn(move |_: Request<()>| async move {
            let status = StatusCode::from_u16(status).unwrap();
            Ok::<_, Infallible>(Response::builder().status(status).body(()).unwrap())
        });
        let response = RequestIdLayer::internal().layer(service).oneshot(brings(["theirs"])).await.unwrap();
        assert_eq!(response.headers()[X_REQUEST_ID], "theirs", "{status}");
    }
}

#[tokio::test]
async fn a_refusal_further_in_has_the_id_in_its_problem() {
    let service = service_fn(async |request: Request<()>| {
        let context = RequestContext::get(&request).unwrap();
        let refusal = Rejection::new(Kind::Overloaded);
        Ok::<Response<ResponseBody<String>>, Infallible>(refusal.into_response(
            context.wire(),
            Some(context),
            None,
        ))
    });
    let response = RequestIdLayer::edge().layer(service).oneshot(Request::new(())).await.unwrap();
    let id = response.headers()[X_REQUEST_ID].to_str().unwrap().to_owned();
    let problem = response.into_body().collect().await.unwrap().to_bytes();
    let problem = str::from_utf8(&problem).unwrap();
    assert!(problem.contains(&format!(r#""request_id":"{id}""#)), "{problem}");
}

#[tokio::test]
async fn the_services_own_response_id_is_kept() {
    let service = service_fn(async |_: Request<()>| {
        Ok::<_, Infallible>(Response::builder().header(X_REQUEST_ID, "the services own").body(()).unwrap())
    });
    let response = RequestIdLayer::edge().layer(service).oneshot(Request::new(())).await.unwrap();
    let values: Vec<_> = response.headers().get_all(X_REQUEST_ID).iter().collect();
    assert_eq!(values, ["the services own"]);
}

#[tokio::test]
async fn a_second_layer_keeps_the_first_ones_id() {
    let twice = RequestIdLayer::edge().layer(RequestIdLayer::edge().layer(service_fn(answer)));
    let response = twice.oneshot(brings(["theirs"])).await.unwrap();
    let seen: &Seen = response.extensions().get().unwrap();
    assert_eq!(response.headers()[X_REQUEST_ID], seen.id());
}

#[tokio::test]
async fn the_header_can_be_another_and_the_default_one_is_then_left_alone() {
    let layer = RequestIdLayer::internal().header(HeaderName::from_static("x-correlation-id"));
    let service = service_fn(async |request: Request<()>| {
        assert_eq!(request.headers()["x-correlation-id"], "theirs");
        assert_eq!(request.headers()[X_REQUEST_ID], "not looked at");
        Ok::<_, Infallible>(Response::new(()))
    });
    let mut request = brings(["not looked at"]);
    request.headers_mut().insert("x-correlation-id", HeaderValue::from_static("theirs"));
    let response = layer.layer(service).oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-correlation-id"], "theirs");
    assert!(!response.headers().contains_key(X_REQUEST_ID));
}

#[tokio::test]
async fn the_generator_can_be_another() {
    assert_eq!(id(&RequestIdLayer::edge().generator(Ulid), Request::new(())).await.len(), 26);
    assert_eq!(id(&RequestIdLayer::edge().generator(Hex32), Request::new(())).await.len(), 32);
    let mine = RequestIdLayer::edge().generator(|| RequestId::try_from("mine").ok());
    assert_eq!(id(&mine, Request::new(())).await, "mine");
}

#[tokio::test]
async fn a_generator_that_has_none_to_give_leaves_it_to_the_default() {
    let none = RequestIdLayer::edge().generator(|| None);
    assert!(is_uuid7(&id(&none, Request::new(())).await));
}

#[tokio::test]
async fn the_handle_counts_what_was_replaced_by_reason() {
    let (layer, handle) = RequestIdLayer::internal().pair();
    // Every clone and every service is of one state.
    for _ in 0..2 {
        let layer = layer.clone();
        id(&layer, Request::new(())).await;
        id(&layer, brings([""])).await;
        id(&layer, brings(["x".repeat(129)])).await;
        id(&layer, brings(["a b"])).await;
        id(&layer, brings(["one", "two"])).await;
        id(&layer, brings(["kept"])).await;
    }
    let mut readings = Vec::new();
    macadam_core::Gauges::read(&handle, &mut |reading| {
        assert_eq!(reading.name, "macadam_request_id_replaced_total");
        readings.push((reading.labels[0].1.to_owned(), reading.value));
    });
    let reasons = ["missing", "empty", "too_long", "charset", "duplicate"];
    assert_eq!(readings, reasons.map(|reason| (reason.to_owned(), 2.0)));
}

#[tokio::test]
async fn what_nobody_asked_for_is_not_counted() {
    let (edge, handle) = RequestIdLayer::edge().pair();
    id(&edge, Request::new(())).await;
    id(&edge, brings(["a b"])).await;
    assert_eq!((handle.replaced(Replaced::Missing), handle.replaced(Replaced::Charset)), (0, 0));
}

#[test]
fn text_becomes_an_id_or_says_why_not() {
    assert_eq!("A-z_9:./@+=".parse::<RequestId>().unwrap().as_str(), "A-z_9:./@+=");
    assert_eq!(RequestId::try_from(""), Err(InvalidRequestId::Empty));
    assert_eq!(RequestId::try_from(&*"x".repeat(129)), Err(InvalidRequestId::TooLong));
    assert_eq!(RequestId::try_from("a b"), Err(InvalidRequestId::Charset));
    assert_eq!(RequestId::try_from("a\r\nb"), Err(InvalidRequestId::Charset));
    let id: RequestId = HeaderValue::from_static("abc").try_into().unwrap();
    assert_eq!(
        (id.to_string(), id.as_ref(), format!("{id:?}")),
        ("abc".into(), "abc", r#"RequestId("abc")"#.into())
    );
    assert_eq!(format!("{id:>5}"), "  abc");
    assert_eq!(HeaderValue::from(id), "abc");
}

#[tokio::test]
async fn a_header_that_was_brought_says_the_id_and_one_that_was_not_is_added_where_asked_for() {
    let header = async |layer: RequestIdLayer, request| {
        let response = layer.layer(service_fn(answer)).oneshot(request).await.unwrap();
        let seen: &Seen = response.extensions().get().expect("the service was called");
        seen.id();
        seen.header.len()
    };
    for layer in [RequestIdLayer::internal(), RequestIdLayer::edge()] {
        assert_eq!(header(layer.clone(), brings(["theirs"])).await, 1);
        assert_eq!(header(layer.clone(), brings(["not valid", "nor alone"])).await, 1);
        assert_eq!(header(layer.clone(), Request::new(())).await, 0);
        assert_eq!(header(layer.on_request(true), Request::new(())).await, 1);
    }
}
