//! What a span costs where nobody listens, beyond the context that the request has.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Waker},
};

use http::{Request, Response};
use http_body_util::Full;
use macadam_core::RequestContext;
use macadam_telemetry::TelemetryLayer;
use macadam_test::{allocations, events::capture};
use tower::{Layer, Service, service_fn};

const REQUESTS: u64 = 100;

fn service() -> impl Service<Request<()>, Response = Response<Full<&'static [u8]>>, Error = Infallible> + Clone
{
    service_fn(|_| -> Ready<Result<_, Infallible>> { ready(Ok(Response::new(Full::new(&b"hello"[..])))) })
}

/// How many allocations so many requests make, read to the end of their bodies.
fn counted<B>(mut service: impl Service<Request<()>, Response = Response<B>>) -> u64
where
    B: http_body::Body,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut pass = || {
        let mut request = Request::new(());
        RequestContext::of(&mut request);
        assert!(service.poll_ready(&mut cx).is_ready());
        let response = match pin!(service.call(request)).poll(&mut cx) {
            std::task::Poll::Ready(Ok(response)) => response,
            _ => panic!("the service is ready at once"),
        };
        assert!(pin!(response.into_body()).poll_frame(&mut cx).is_ready());
    };
    pass();
    allocations(|| (0..REQUESTS).for_each(|_| pass()))
}

#[test]
fn where_nobody_listens_the_layer_allocates_nothing() {
    let bare = counted(service());
    assert_eq!(counted(TelemetryLayer::new().layer(service())), bare);

    let _captured = capture();
    let recorded = counted(TelemetryLayer::new().layer(service()));
    assert!(recorded > bare, "a subscriber that records does, so the count above can fail");
}
