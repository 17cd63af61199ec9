//! What the refused are told.

use std::collections::BTreeSet;

use crate::stand::{Stand, due_in, kind, limit, refused};
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use macadam_core::{Gauges, Outcome, Rejection, RequestContext, Wire};
use macadam_load_shed::{LoadShedHandle, LoadShedLayer};
use tokio::time::Duration;

/// A gate that has no room any more.
async fn full(layer: LoadShedLayer) -> Stand {
    let stand = Stand::new(layer.queue(0));
    for _ in 0..stand.gate.limit() {
        stand.get("/").await;
    }
    stand
}

fn readings(gate: &LoadShedHandle) -> Vec<(String, f64)> {
    let mut readings = Vec::new();
    gate.read(&mut |reading| {
        let labels: String = reading.labels.iter().map(|(name, value)| format!(" {name}={value}")).collect();
        readings.push((format!("{}{labels}", reading.name), reading.value));
    });
    readings
}

#[tokio::test(start_paused = true)]
async fn the_refused_get_a_problem_with_their_id_and_an_outcome() {
    let stand = full(limit(1)).await;
    let (request, context) = due_in(Duration::from_secs(3));
    context.set_request_id("id-7").unwrap();
    let refused = stand.send(request).await.await.unwrap().unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(context.outcome(), Outcome::Shed);
    let problem = refused.into_body().collect().await.unwrap().to_bytes();
    let problem = std::str::from_utf8(&problem).unwrap();
    assert!(problem.contains(r#""type":"urn:problem-type:macadam:overloaded""#), "{problem}");
    assert!(problem.contains(r#""request_id":"id-7""#), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_whole_seconds_scattered_over_the_range() {
    for (layer, expected) in
        [(limit(1), vec![1, 2, 3]), (limit(1).retry_after(5..=6).unwrap(), vec![5, 6]), {
            (limit(1).retry_after(9..=9).unwrap(), vec![9])
        }]
    {
        let stand = full(layer).await;
        let mut seen = BTreeSet::new();
        for _ in 0..200 {
            let refused = stand.get("/").await.await.unwrap().unwrap();
            seen.insert(refused.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap());
        }
        assert_eq!(Vec::from_iter(seen), expected);
    }
    let everything = limit(1).retry_after(0..=u32::MAX).unwrap();
    full(everything).await.get("/").await.await.unwrap().unwrap();
}

#[test]
fn a_range_with_no_number_in_it_is_refused_with_the_cure() {
    #[expect(clippy::reversed_empty_ranges, reason = "that is the mistake")]
    let error = limit(1).retry_after(5..=1).unwrap_err().to_string();
    assert!(error.contains("from 5 to 1") && error.contains("smaller one first"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_statuses_of_an_overload_and_of_a_share_are_the_layers_to_choose() {
    let layer = || {
        let layer = limit(1).queue(1).overload_status(StatusCode::TOO_MANY_REQUESTS).unwrap();
        layer.tenant_status(StatusCode::PAYMENT_REQUIRED).unwrap()
    };
    let stand = full(layer()).await;
    let refused = stand.get("/").await.await.unwrap().unwrap();
    assert_eq!((refused.status().as_u16(), kind(&refused)), (429, "overloaded"));

    let stand = Stand::new(limit(1));
    stand.get("/").await;
    let late = stand.send(due_in(Duration::ZERO).0).await.await.unwrap().unwrap();
    assert_eq!((late.status().as_u16(), kind(&late)), (503, "deadline"), "unless it is set");
    let stand = Stand::new(layer());
    stand.get("/").await;
    let late = stand.send(due_in(Duration::ZERO).0).await.await.unwrap().unwrap();
    assert_eq!((late.status().as_u16(), kind(&late)), (429, "deadline"));

    let tenant = |head: &http::request::Parts| Some(head.uri.path().to_owned());
    let stand = Stand::new(layer().tenant(tenant));
    for path in ["/greedy", "/greedy", "/modest"] {
        stand.get(path).await;
    }
    let refused = stand.get("/greedy").await.await.unwrap().unwrap();
    assert_eq!((refused.status().as_u16(), kind(&refused)), (402, "over-share"));
}

#[test]
fn a_status_that_is_no_refusal_is_refused_with_the_cure() {
    let statuses = [LoadShedLayer::overload_status, LoadShedLayer::tenant_status];
    for set in statuses {
        let error = set(limit(1), StatusCode::OK).unwrap_err().to_string();
        assert!(error.contains("is 200") && error.contains("from 400 to 599"), "{error}");
        assert!(set(limit(1), StatusCode::from_u16(600).unwrap()).is_err());
        assert!(set(limit(1), StatusCode::from_u16(599).unwrap()).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_grpc_client_gets_a_grpc_status() {
    let stand = full(limit(1)).await;
    let request = || Request::post("/a.B/C").header(CONTENT_TYPE, "application/grpc+proto").body(()).unwrap();
    let overloaded = stand.send(request()).await.await.unwrap().unwrap();
    assert_eq!(overloaded.status(), 200);
    assert_eq!(overloaded.headers()["grpc-status"], "14");

    let stand = Stand::new(limit(1).max_wait(Duration::ZERO));
    stand.get("/").await;
    let waited = stand.send(request()).await.await.unwrap().unwrap();
    assert_eq!(waited.headers()["grpc-status"], "14");

    let stand = Stand::new(limit(1));
    stand.get("/").await;
    let mut request = request();
    RequestContext::of(&mut request).set_deadline(Some(tokio::time::Instant::now()));
    let late = stand.send(request).await.await.unwrap().unwrap();
    assert_eq!(late.headers()["grpc-status"], "4");
}

#[tokio::test(start_paused = true)]
async fn the_form_is_the_layers_own_if_it_has_one() {
    let render = |refusal: &Rejection, _: &Wire, _: Option<&RequestContext>| {
        Response::new(Bytes::from_static(refusal.kind().as_str().as_bytes()))
    };
    let stand = full(limit(1).on_rejection(render)).await;
    let refused = stand.get("/").await.await.unwrap().unwrap();
    assert_eq!(refused.status(), 503);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.into_body().collect().await.unwrap().to_bytes(), "overloaded");
}

#[tokio::test(start_paused = true)]
async fn the_gauges_read_the_gate_and_count_the_refused_by_reason() {
    let stand = Stand::new(limit(2).queue(1).max_wait(Duration::from_millis(10)));
    for _ in 0..5 {
        stand.get("/").await;
    }
    let read = readings(&stand.gate);
    let expected = [
        ("macadam_load_shed_in_flight phase=slot", 2.0),
        ("macadam_load_shed_in_flight phase=stream", 0.0),
        ("macadam_load_shed_in_flight phase=exempt", 0.0),
        ("macadam_load_shed_limit", 2.0),
        ("macadam_load_shed_queued", 1.0),
        ("macadam_load_shed_ended_total use=good", 0.0),
        ("macadam_load_shed_ended_total use=bad", 0.0),
        ("macadam_load_shed_refused_total reason=queue-full", 2.0),
        ("macadam_load_shed_refused_total reason=queue-wait", 0.0),
        ("macadam_load_shed_refused_total reason=deadline", 0.0),
        ("macadam_load_shed_refused_total reason=criticality", 0.0),
        ("macadam_load_shed_refused_total reason=tenant", 0.0),
        ("macadam_load_shed_refused_total reason=lag", 0.0),
        ("macadam_load_shed_refused_total reason=pressure", 0.0),
    ];
    assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value)));
    crate::stand::pass(Duration::from_millis(10)).await;
    assert_eq!((stand.figures(), refused(&stand.gate, "queue-wait")), ((2, 0), 1.0));
}
