//! The trace of a request on the road, as the settings say.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use axum::{Router, body::Body, routing::get};
use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use macadam::{Road, Settings, TraceContext};
use tower::ServiceExt;

/// What a handler tells the next hop of a request whose caller says this of its trace.
async fn onward(settings: &str, caller: &str) -> String {
    let road = Road::builder("traces").settings(Settings::from_toml(settings).unwrap()).build().unwrap();
    let handler = get(async || {
        let mut headers = HeaderMap::new();
        TraceContext::current().unwrap().inject(&mut headers);
        headers["traceparent"].to_str().unwrap().to_owned()
    });
    let request = Request::get("/").header("traceparent", caller).body(Body::empty()).unwrap();
    let response = road.wrap(Router::new().route("/", handler)).oneshot(request).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

#[tokio::test]
async fn a_callers_trace_is_continued_where_the_settings_trust_it_and_nowhere_else() {
    const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let trusted = onward("telemetry.trust_inbound = \"trust\"", CALLER).await;
    assert_eq!(trusted, CALLER, "nobody records spans here, so the next hop's is a child of the caller's");
    for settings in ["", "telemetry.trust_inbound = \"link\"", "telemetry.trust_inbound = \"ignore\""] {
        let own = onward(settings, CALLER).await;
        assert!(own.starts_with("00-") && own.ends_with("-02") && own.len() == CALLER.len(), "{own}");
        assert!(!own.contains(&CALLER[3..35]) && !own.contains(&CALLER[36..52]), "{own}");
    }
}
