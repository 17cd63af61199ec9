//! What a span costs where nobody listens, beyond the context that the request has.

use std::{
    convert::Infallible,
    future::{Ready, ready},
};

use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use macadam_core::RequestContext;
use macadam_telemetry::TelemetryLayer;
use macadam_test::{allocations_of_requests, events::capture};
use tower::{Layer, Service, service_fn};

const REQUESTS: u64 = 100;

fn service() -> impl Service<Request<()>, Response = Response<Full<&'static [u8]>>, Error = Infallible> + Clone
{
    service_fn(|_| -> Ready<Result<_, Infallible>> { ready(Ok(Response::new(Full::new(&b"hello"[..])))) })
}

/// How many allocations so many requests make, beyond their contexts.
fn counted<B: Body>(service: impl Service<Request<()>, Response = Response<B>>) -> u64 {
    allocations_of_requests(service, REQUESTS, || {
        let mut request = Request::new(());
        RequestContext::of(&mut request);
        request
    })
}

#[test]
fn where_nobody_listens_the_layer_allocates_nothing() {
    let bare = counted(service());
    assert_eq!(counted(TelemetryLayer::new().layer(service())), bare);

    let _captured = capture();
    let recorded = counted(TelemetryLayer::new().layer(service()));
    assert!(recorded > bare, "a subscriber that records does, so the count above can fail");
}
