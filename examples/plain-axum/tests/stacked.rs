//! The crates by hand: in the road's order, and each alone.

use std::{any::type_name_of_val, time::Duration};

use axum::{Router, body::Body, http::Request, response::Response};
use http_body_util::BodyExt;
use macadam_graceful_shutdown::Shutdown;
use macadam_health::Health;
use macadam_telemetry::{Exposition, Format};
use plain_axum::{alone, app, layers, stacked};
use tower::ServiceExt;

fn parts() -> (Health, Shutdown) {
    let shutdown = Shutdown::builder().signals(false).build().expect("the defaults fit");
    let health =
        Health::builder().phase(shutdown.handle().watch()).build().expect("there is nothing wrong with it");
    (health, shutdown)
}

async fn get(app: &Router, path: &str) -> Response {
    let request = Request::get(path).body(Body::empty()).expect("a path");
    let Ok(response) = app.clone().oneshot(request).await;
    response
}

async fn text(response: Response) -> String {
    let body = response.into_body().collect().await.expect("it is whole").to_bytes();
    String::from_utf8(body.into()).expect("text")
}

#[test]
fn the_order_by_hand_is_the_order_of_the_facade() {
    let (health, shutdown) = parts();
    let layers = layers(&health, &shutdown).unwrap();
    // A builder's type names what was added last first.
    let by_hand = order(type_name_of_val(&layers), |name| format!("{name}::"));
    // The facade puts the innermost on first.
    let stack = include_str!("../../../crates/macadam/src/stack.rs");
    let wrap = stack.split_once("fn wrap").unwrap().1;
    let of_facade = order(wrap, |name| {
        let field = if name == "macadam_graceful_shutdown" { "drain" } else { &name["macadam_".len()..] };
        format!("self.{field}.layer")
    });
    assert_eq!(by_hand.len(), 6);
    assert_eq!(by_hand, of_facade);
}

/// The six crates in the order in which `text` names them.
fn order(text: &str, named: impl Fn(&str) -> String) -> Vec<&'static str> {
    let crates = [
        "macadam_graceful_shutdown",
        "macadam_health",
        "macadam_load_shed",
        "macadam_request_id",
        "macadam_telemetry",
        "macadam_timeouts",
    ];
    let mut places: Vec<_> =
        crates.iter().map(|name| (text.find(&named(name)).expect("each is named"), *name)).collect();
    places.sort_unstable();
    places.into_iter().map(|(_, name)| name).collect()
}

#[tokio::test(start_paused = true)]
async fn all_six_protect_at_once() {
    let (health, shutdown) = parts();
    let app = stacked(app(), &health, &shutdown).unwrap();

    let response = get(&app, "/").await;
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("x-request-id"));
    assert_eq!(shutdown.handle().in_flight().len(), 1, "until its body is read, or dropped");
    drop(response);

    let response = get(&app, "/slow").await;
    assert_eq!(response.status(), 504);
    let id = response.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(text(response).await.contains(&id));

    assert_eq!(get(&app, "/livez").await.status(), 200);
    assert!(!get(&app, "/livez").await.headers().contains_key("x-request-id"), "a probe is no request");
    assert!(
        text(get(&app, "/context").await).await.ends_with(",3]"),
        "the whole of 3 s is left: time is paused"
    );
    assert_eq!(shutdown.handle().in_flight().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_alone_does_its_one_job() {
    let (health, shutdown) = parts();
    assert!(get(&alone::request_id(app()), "/").await.headers().contains_key("x-request-id"));
    assert!(get(&alone::request_id(app()), "/nowhere").await.headers().contains_key("x-request-id"));
    assert_eq!(get(&alone::timeouts(app()), "/slow").await.status(), 504);
    let (telemetry, handle) = alone::telemetry(app());
    get(&telemetry, "/").await.into_body().collect().await.unwrap();
    let text = Exposition::new().requests(handle).text(Format::OpenMetrics);
    assert!(
        text.contains(
            r#"http_server_request_duration_seconds_count{http_request_method="GET",http_route="/","#
        ),
        "{text}"
    );
    assert_eq!(get(&alone::health(app(), &health), "/livez").await.status(), 200);

    let app_of_shutdown = alone::graceful_shutdown(app(), &shutdown);
    let response = get(&app_of_shutdown, "/").await;
    assert_eq!(shutdown.handle().in_flight().len(), 1, "until the last byte");
    drop(response);
    assert_eq!(shutdown.handle().in_flight().len(), 0);

    let shed = alone::load_shed(app()).unwrap();
    let waiting: Vec<_> = (0..24)
        .map(|_| {
            let shed = shed.clone();
            tokio::spawn(async move { get(&shed, "/slow").await.status() })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(get(&shed, "/").await.status(), 503);
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}
