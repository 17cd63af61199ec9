//! What is admitted at once costs no allocation.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response, Version};
use http_body_util::Empty;
use macadam_core::{Criticality, RequestContext};
use macadam_load_shed::LoadShedLayer;
use macadam_test::{allocations, allocations_of_requests};
use tower::{Layer, Service};

const REQUESTS: u64 = 1_000;

#[derive(Clone)]
struct Bare;

impl Service<Request<()>> for Bare {
    type Response = Response<Empty<bytes::Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(Empty::new())))
    }
}

#[test]
fn an_admitted_request_allocates_nothing() {
    let fixed = LoadShedLayer::new(8).unwrap().exempt(|head| head.uri.path() == "/livez");
    let adaptive = LoadShedLayer::adaptive().criticality(|_| Criticality::Sheddable);
    for (layer, with_context) in [(&fixed, false), (&fixed, true), (&adaptive, false), (&adaptive, true)] {
        let request = || {
            let mut request = Request::new(());
            if with_context {
                RequestContext::of(&mut request);
            }
            request
        };
        let bare = allocations_of_requests(Bare, REQUESTS, request);
        assert_eq!(allocations_of_requests(layer.layer(Bare), REQUESTS, request), bare);
    }
}

/// Two frames, of which the second one is its last.
#[derive(Clone)]
struct TwoFrames(u8);

impl http_body::Body for TwoFrames {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Infallible>>> {
        self.0 -= 1;
        Poll::Ready(Some(Ok(http_body::Frame::data(bytes::Bytes::from_static(b"frame")))))
    }

    fn is_end_stream(&self) -> bool {
        self.0 == 0
    }
}

#[test]
fn a_body_that_is_watched_allocates_nothing() {
    let service = tower::service_fn(|_: Request<()>| ready(Ok::<_, Infallible>(Response::new(TwoFrames(2)))));
    let layer = LoadShedLayer::new(8).unwrap();
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let request = || Request::builder().version(version).body(()).unwrap();
        let bare = allocations_of_requests(service, REQUESTS, request);
        assert_eq!(allocations_of_requests(layer.layer(service), REQUESTS, request), bare, "{version:?}");
    }
}

/// A refusal takes over the memory of the request that it refuses, which has headers and extensions as any has.
#[test]
fn a_refused_request_allocates_its_document_and_its_place_in_the_extensions() {
    let layer = LoadShedLayer::new(1).unwrap().queue(0);
    let mut never = layer.layer(tower::service_fn(|_: Request<()>| {
        std::future::pending::<Result<Response<Empty<bytes::Bytes>>, Infallible>>()
    }));
    let mut holds = std::pin::pin!(never.call(Request::new(())));
    assert!(holds.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());

    let request = || {
        let mut request = Request::get("/").header("host", "test").header("accept", "*/*").body(()).unwrap();
        RequestContext::of(&mut request);
        request
    };
    let refused = allocations_of_requests(layer.layer(Bare), REQUESTS, request);
    let bare = allocations_of_requests(Bare, REQUESTS, request);
    assert_eq!(refused - bare, 2 * REQUESTS);
}

#[test]
fn the_count_sees_an_allocation() {
    assert_eq!(allocations(|| Box::new(1)), 1);
}
