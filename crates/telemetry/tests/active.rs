//! The count of active requests, whoever looks.

use http::{Request, Response};
use macadam_core::{Gauges, Outcome};
use macadam_telemetry::{ResponseFuture, Telemetry, TelemetryLayer};
use macadam_test::{ScriptedBody, ScriptedService, Step, service::ScriptedFuture};
use tower::{Layer, Service, ServiceExt};

async fn call(service: &mut Telemetry<ScriptedService>) -> ResponseFuture<ScriptedFuture> {
    ServiceExt::<Request<()>>::ready(service).await.expect("it is ready").call(Request::new(()))
}

#[tokio::test]
async fn clones_and_services_of_one_layer_share_one_count() {
    let (layer, handle) = TelemetryLayer::new().pair();
    let (inner, _script) = macadam_test::service();
    let mut one = layer.layer(inner.clone());
    let mut other = layer.clone().layer(inner);
    let mut clone = one.clone();
    let mut futures = Vec::new();
    for service in [&mut one, &mut other, &mut clone] {
        futures.push(call(service).await);
    }
    let mut read = Vec::new();
    handle.read(&mut |reading| read.push((reading.name, reading.value)));
    assert_eq!(read[0], ("macadam_requests_active", 3.0));
    assert!(read[1..].iter().all(|figure| *figure == ("macadam_requests_ended_total", 0.0)), "{read:?}");
    futures.clear();
    assert_eq!(handle.active(), 0);
    assert_eq!(handle.outcomes().count(Outcome::Cancelled), 3);
}

#[tokio::test]
async fn a_request_that_ends_on_another_thread_is_counted_out() {
    let (layer, handle) = TelemetryLayer::new().pair();
    let (inner, script) = macadam_test::service();
    let mut service = layer.layer(inner);
    let future = call(&mut service).await;
    script.next_call().await.respond(Response::new(ScriptedBody::new([Step::data("one")])));
    let response = future.await.unwrap();
    assert_eq!(handle.active(), 1);
    std::thread::spawn(move || drop(response)).join().unwrap();
    assert_eq!(handle.active(), 0);
}
