//! What a caller says of its trace, and what the next hop is told: the cases of the W3C's own validation suite for trace
//! context, and what hostile callers send besides.

#![expect(clippy::unwrap_used, reason = "what is sent here are headers")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::BodyExt;
use macadam_telemetry::{Inbound, TelemetryLayer, Trace, TraceContext};
use proptest::prelude::*;
use tower::{Layer, Service, ServiceExt, service_fn};

type Headers<'a> = &'a [(&'a str, &'a str)];

/// A request with these headers, at a handler that sends one to the next hop: where it stands, and what it sends.
fn hop(inbound: Inbound, headers: HeaderMap) -> (Trace, HeaderMap) {
    let mut told = None;
    let mut service = TelemetryLayer::new().inbound(inbound).layer(service_fn(
        |request: Request<()>| -> Ready<Result<Response<String>, Infallible>> {
            let context = TraceContext::current().unwrap();
            // As a proxy would: what the caller said must not get past us.
            let mut onward = request.into_parts().0.headers;
            context.inject(&mut onward);
            told = Some((context.trace(), onward));
            ready(Ok(Response::default()))
        },
    ));
    let mut request = Request::new(());
    *request.headers_mut() = headers;
    drop(service.call(request));
    drop(service);
    told.unwrap()
}

fn map(headers: Headers<'_>) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    headers.iter().map(pair).collect()
}

/// The only value of a header, if it is there.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let values: Vec<_> = headers.get_all(name).iter().collect();
    assert!(values.len() <= 1, "{name}: {values:?}");
    Some(values.first()?.to_str().unwrap())
}

const TRACE: &str = "12345678901234567890123456789012";
const PARENT: &str = "00-12345678901234567890123456789012-1234567890123456-01";

#[test]
fn a_valid_traceparent_is_continued_and_an_invalid_one_begins_a_new_trace() {
    let continued: &[Headers<'_>] = &[
        &[("traceparent", PARENT)],
        &[("TraceParent", PARENT)],
        &[("TrAcEpArEnT", PARENT)],
        &[("TRACEPARENT", PARENT)],
        // Later versions may say more.
        &[("traceparent", "cc-12345678901234567890123456789012-1234567890123456-01")],
        &[(
            "traceparent",
            "cc-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        )],
        // Blanks around it.
        &[("traceparent", " 00-12345678901234567890123456789012-1234567890123456-01")],
        &[("traceparent", "\t00-12345678901234567890123456789012-1234567890123456-01")],
        &[("traceparent", "00-12345678901234567890123456789012-1234567890123456-01 ")],
        &[("traceparent", "00-12345678901234567890123456789012-1234567890123456-01\t")],
        &[("traceparent", "\t 00-12345678901234567890123456789012-1234567890123456-01 \t")],
    ];
    for headers in continued {
        let (trace, onward) = hop(Inbound::Trust, map(headers));
        assert_eq!(trace.trace_id.to_string(), TRACE, "{headers:?}");
        assert_ne!(trace.span_id.to_string(), "1234567890123456", "the request's span is its own");
        assert_eq!(only(&onward, "traceparent"), Some(PARENT), "and nobody records it");
    }
    let restarted: &[Headers<'_>] = &[
        &[],
        &[
            ("traceparent", "00-12345678901234567890123456789011-1234567890123456-01"),
            ("traceparent", "00-12345678901234567890123456789012-1234567890123456-01"),
        ],
        &[("traceparent", PARENT), ("traceparent", PARENT)],
        &[("traceparent", &format!("{PARENT},{PARENT}"))],
        &[("trace-parent", PARENT)],
        &[("trace.parent", PARENT)],
        // Of version 0 there is no more than this.
        &[("traceparent", "00-12345678901234567890123456789012-1234567890123456-01.")],
        &[(
            "traceparent",
            "00-12345678901234567890123456789012-1234567890123456-01-what-the-future-will-be-like",
        )],
        &[(
            "traceparent",
            "cc-12345678901234567890123456789012-1234567890123456-01.what-the-future-will-be-like",
        )],
        &[("traceparent", "ff-12345678901234567890123456789012-1234567890123456-01")],
        &[("traceparent", ".0-12345678901234567890123456789012-1234567890123456-01")],
        &[("traceparent", "0.-12345678901234567890123456789012-1234567890123456-01")],
        &[("traceparent", "000-12345678901234567890123456789012-1234567890123456-01")],
        &[("traceparent", "0000-12345678901234567890123456789012-1234567890123456-01")],
        &[("traceparent", "0-12345678901234567890123456789012-1234567890123456-01")],
        &[("traceparent", "00-00000000000000000000000000000000-1234567890123456-01")],
        &[("traceparent", "00-.2345678901234567890123456789012-1234567890123456-01")],
        &[("traceparent", "00-1234567890123456789012345678901.-1234567890123456-01")],
        &[("traceparent", "00-123456789012345678901234567890123-1234567890123456-01")],
        &[("traceparent", "00-1234567890123456789012345678901-1234567890123456-01")],
        &[("traceparent", "00-12345678901234567890123456789012-0000000000000000-01")],
        &[("traceparent", "00-12345678901234567890123456789012-.234567890123456-01")],
        &[("traceparent", "00-12345678901234567890123456789012-123456789012345.-01")],
        &[("traceparent", "00-12345678901234567890123456789012-12345678901234567-01")],
        &[("traceparent", "00-12345678901234567890123456789012-123456789012345-01")],
        &[("traceparent", "00-12345678901234567890123456789012-1234567890123456-.0")],
        &[("traceparent", "00-12345678901234567890123456789012-1234567890123456-0.")],
        &[("traceparent", "00-12345678901234567890123456789012-1234567890123456-001")],
        &[("traceparent", "00-12345678901234567890123456789012-1234567890123456-1")],
        // Beyond the suite: capitals, a sign, other dashes, nothing, too much.
        &[("traceparent", "00-1234567890123456789012345678901A-1234567890123456-01")],
        &[("traceparent", "00-12345678901234567890123456789012-123456789012345A-01")],
        &[("traceparent", "0A-12345678901234567890123456789012-1234567890123456-01")],
        &[("traceparent", "00-+2345678901234567890123456789012-1234567890123456-01")],
        &[("traceparent", "00_12345678901234567890123456789012_1234567890123456_01")],
        &[("traceparent", "")],
        &[("traceparent", "00-12345678901234567890123456789012-123456789012345\u{e9}-01")],
        &[("traceparent", &"0".repeat(100_000))],
    ];
    for headers in restarted {
        // Without its parent a state means nothing.
        let with_state: Vec<_> = headers.iter().copied().chain([("tracestate", "foo=1")]).collect();
        let (trace, onward) = hop(Inbound::Trust, map(&with_state));
        assert!(!trace.trace_id.to_string().starts_with("123456789"), "{headers:?}");
        let own = format!("00-{}-{}-02", trace.trace_id, trace.span_id);
        assert_eq!(only(&onward, "traceparent"), Some(&*own), "{headers:?}");
        assert_eq!(only(&onward, "tracestate"), None, "{headers:?}");
    }
}

#[test]
fn the_flags_of_a_continued_trace_are_passed_on_and_unknown_ones_are_not() {
    for (flags, onward) in
        [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03"), ("fc", "00")]
    {
        let parent = |flags| format!("{}{flags}", &PARENT[..53]);
        let (_, headers) = hop(Inbound::Trust, map(&[("traceparent", &parent(flags))]));
        assert_eq!(only(&headers, "traceparent"), Some(&*parent(onward)));
    }
}

/// What is passed on of these `tracestate` headers.
fn state(states: &[&str]) -> Option<String> {
    let headers: Vec<_> = states.iter().map(|state| ("tracestate", *state)).collect();
    let headers: Vec<_> = [("traceparent", PARENT)].into_iter().chain(headers).collect();
    let (trace, onward) = hop(Inbound::Trust, map(&headers));
    assert_eq!(trace.trace_id.to_string(), TRACE, "a malformed state costs the state and not the trace");
    only(&onward, "tracestate").map(str::to_owned)
}

/// `bar1=1` and so on.
fn members(range: std::ops::RangeInclusive<u32>) -> String {
    range.map(|n| format!("bar{n:02}={n:02}")).collect::<Vec<_>>().join(",")
}

#[test]
fn the_state_of_a_continued_trace_is_passed_on_in_order_and_in_one_header() {
    let key = "abcdefghijklmnopqrstuvwxyz0123456789_-*/";
    let value: String = (' '..='~').filter(|char| !",=".contains(*char)).collect();
    for (sent, passed) in [
        (&["foo=1,bar=2"][..], "foo=1,bar=2"),
        (&["foo=1,bar=2", "rojo=1,congo=2", "baz=3"], "foo=1,bar=2,rojo=1,congo=2,baz=3"),
        (&["foo=1", ""], "foo=1"),
        (&["", "foo=1"], "foo=1"),
        (&["foo=1,,bar=2, ,"], "foo=1,bar=2"),
        (&["foo=1,foo=1"], "foo=1,foo=1"),
        (&["foo=1,foo=2"], "foo=1,foo=2"),
        (&["foo=1", "foo=2"], "foo=1,foo=2"),
        (&[&*format!("{key}={value}")], &*format!("{key}={value}")),
        (&[&*format!("{key}@a-z0-9_-*/={value}")], &*format!("{key}@a-z0-9_-*/={value}")),
        (&["foo=1 \t , \t bar=2, \t baz=3"], "foo=1,bar=2,baz=3"),
        (&["foo=1\t \t,\t \tbar=2,\t \tbaz=3"], "foo=1,bar=2,baz=3"),
        (&["\t foo=1 \t"], "foo=1"),
        (&["foo@=1,bar=2"], "foo@=1,bar=2"),
        (&["foo@@bar=1,bar=2"], "foo@@bar=1,bar=2"),
        (&["foo@bar@baz=1,bar=2"], "foo@bar@baz=1,bar=2"),
        (&["foo=1", &*format!("{}=1", "z".repeat(256))], &*format!("foo=1,{}=1", "z".repeat(256))),
        (&["foo=1", &*format!("t@{}=1", "v".repeat(15))], &*format!("foo=1,t@{}=1", "v".repeat(15))),
        (&["0=a"], "0=a"),
        (
            &[&*members(1..=10), &*members(11..=20), &*members(21..=30), "bar31=31,bar32=32"],
            &*members(1..=32),
        ),
    ] {
        assert_eq!(state(sent).as_deref(), Some(passed), "{sent:?}");
    }
}

#[test]
fn a_malformed_state_is_dropped_as_a_whole_and_an_empty_one_is_never_sent() {
    for sent in [
        &[][..],
        &[""],
        &["", " , ,\t"],
        &["foo =1"],
        &["FOO=1"],
        &["foo.bar=1"],
        &["@foo=1,bar=2"],
        &["foo=bar=baz"],
        &["foo=,bar=3"],
        &["foo"],
        &["=1"],
        &["foo=1,bar"],
        &["foo=\u{e9}"],
        &["foo=a\tb"],
        &["foo=1", &*format!("{}=1", "z".repeat(257))],
        &[&*format!("foo={}", "1".repeat(257))],
        &[&*members(1..=10), &*members(11..=20), &*members(21..=30), "bar31=31,bar32=32,bar33=33"],
        &[&*members(1..=99)],
        &[&*"a=1,".repeat(20_000)],
    ] {
        assert_eq!(state(sent), None, "{sent:?}");
    }
}

#[test]
fn a_state_of_512_bytes_is_passed_on_and_of_a_longer_one_the_long_members_go_first() {
    let member = |key: &str, length: usize| format!("{key}={}", "1".repeat(length - key.len() - 1));
    let four = [member("a", 128), member("b", 127), member("c", 127), member("d", 127)].join(",");
    assert_eq!(four.len(), 512);
    assert_eq!(state(&[&four]).as_deref(), Some(&*four));
    let longer = [member("a", 128), member("b", 127), member("c", 127), member("d", 128)].join(",");
    assert_eq!(state(&[&longer]).as_deref(), Some(&longer[..384]), "the last one goes");
    let with_a_long_one = [member("a", 129), member("b", 128), member("c", 127), member("d", 127)].join(",");
    assert_eq!(state(&[&with_a_long_one]).as_deref(), Some(&with_a_long_one[130..]), "the long one goes");
    let long: Vec<_> = (0..20).map(|n| member(&format!("k{n}"), 200)).collect();
    assert_eq!(state(&[&*long.join(",")]).as_deref(), Some(&*long[..2].join(",")), "as many as have to");
}

#[test]
fn whom_nobody_trusts_is_not_continued_nor_is_what_he_says_passed_on() {
    for inbound in [Inbound::Link, Inbound::Ignore] {
        let headers = [("traceparent", PARENT), ("tracestate", "foo=1"), ("baggage", "user=1")];
        let (trace, onward) = hop(inbound, map(&headers));
        let own = format!("00-{}-{}-02", trace.trace_id, trace.span_id);
        assert_ne!(trace.trace_id.to_string(), TRACE);
        assert_eq!(only(&onward, "traceparent"), Some(&*own));
        assert_eq!((only(&onward, "tracestate"), only(&onward, "baggage")), (None, None));
    }
    let (_, onward) = hop(Inbound::Trust, map(&[("traceparent", PARENT), ("baggage", "user=1")]));
    assert_eq!(only(&onward, "baggage"), Some("user=1"), "it was the handler's to copy");
}

#[tokio::test]
async fn a_context_is_there_where_its_request_and_its_body_are_polled_and_nowhere_else() {
    let ids = || TraceContext::current().map(|context| context.trace());
    let service = TelemetryLayer::new().layer(service_fn(async |_: Request<()>| {
        let handler = ids();
        assert!(handler.is_some());
        let body = "hello".to_owned().map_frame(move |frame| {
            assert_eq!(ids(), handler);
            frame
        });
        Ok::<_, Infallible>(Response::new(body))
    }));
    let response = service.oneshot(Request::new(())).await.unwrap();
    assert_eq!(ids(), None);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
    assert_eq!(ids(), None);
}

proptest! {
    #[test]
    fn whatever_a_caller_sends_the_next_hop_gets_a_valid_context(
        parents in prop::collection::vec(header(), 0..3),
        states in prop::collection::vec(header(), 0..3),
    ) {
        let mut headers = HeaderMap::new();
        for (name, values) in [("traceparent", parents), ("tracestate", states)] {
            for value in values {
                headers.append(name, value);
            }
        }
        let (trace, onward) = hop(Inbound::Trust, headers);
        let parent = only(&onward, "traceparent").unwrap();
        prop_assert_eq!(&parent[..36], format!("00-{}-", trace.trace_id));
        prop_assert!(parent.len() == 55 && parent.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-')));
        prop_assert!(only(&onward, "tracestate").is_none_or(|state| (1..=512).contains(&state.len())));
    }
}

/// Any bytes that a header may have, or nearly what it should.
fn header() -> impl Strategy<Value = HeaderValue> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..600)
            .prop_filter_map("it is no header", |bytes| HeaderValue::from_bytes(&bytes).ok()),
        "[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.{0,9})?"
            .prop_filter_map("it is no header", |text| HeaderValue::from_str(&text).ok()),
        "([a-z0-9@_]{1,9}=[ -~]{0,9}[,=]?){0,40}"
            .prop_filter_map("it is no header", |text| HeaderValue::from_str(&text).ok()),
    ]
}
