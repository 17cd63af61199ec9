//! What a place in the table costs.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use macadam_core::{InFlight, PhaseOwner, RequestContext};
use macadam_graceful_shutdown::DrainLayer;
use macadam_test::allocations_of_requests;
use tower::{Layer, Service, service_fn};

const REQUESTS: u64 = 10_000;

fn service() -> impl Service<Request<()>, Response = Response<String>, Future: Send> + Clone {
    service_fn(|_| -> Ready<Result<_, Infallible>> { ready(Ok(Response::new(String::new()))) })
}

/// How many allocations so many requests make, beyond their contexts.
fn counted<B: Body>(service: impl Service<Request<()>, Response = Response<B>>, with_context: bool) -> u64 {
    allocations_of_requests(service, REQUESTS, || {
        let mut request = Request::new(());
        if with_context {
            RequestContext::of(&mut request);
        }
        request
    })
}

/// A body that does not say how long it is.
struct Pieces(u8);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0 += 1;
        Poll::Ready(match self.0 {
            1 => Some(Ok(Frame::data(Bytes::from_static(b"message")))),
            2 => Some(Ok(Frame::trailers(HeaderMap::new()))),
            _ => None,
        })
    }
}

#[test]
fn neither_a_body_of_unknown_length_nor_a_grpc_call_with_one_answer_costs_an_allocation() {
    let layer = DrainLayer::new(InFlight::new(), PhaseOwner::new().watch());
    for content_type in ["text/plain", "application/grpc"] {
        let service = || {
            service_fn(move |_: Request<()>| -> Ready<Result<_, Infallible>> {
                let mut response = Response::new(Pieces(0));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
                ready(Ok(response))
            })
        };
        let bare = allocations_of_requests(service(), REQUESTS, || Request::new(()));
        let drained = allocations_of_requests(layer.layer(service()), REQUESTS, || Request::new(()));
        assert_eq!(drained - bare, 0, "for {REQUESTS} responses, {content_type}");
    }
}

#[test]
fn a_place_in_the_table_costs_no_allocation() {
    let layer = DrainLayer::new(InFlight::new(), PhaseOwner::new().watch());
    for with_context in [false, true] {
        let bare = counted(service(), with_context);
        let drained = counted(layer.layer(service()), with_context);
        assert_eq!(drained - bare, 0, "for {REQUESTS} requests, with a context: {with_context}");
    }
}
