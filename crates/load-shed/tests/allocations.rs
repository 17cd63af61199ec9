//! What is admitted at once costs no allocation.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use macadam_core::RequestContext;
use macadam_load_shed::LoadShedLayer;
use macadam_test::allocations;
use tower::{Layer, Service};

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

/// From the call to the end of the body.
fn serve<S, B>(service: &mut S, request: Request<()>)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Error = Infallible>,
{
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(service.poll_ready(cx).is_ready());
    let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(cx) else { panic!("it is ready") };
    assert!(response.status().is_success());
    assert!(pin!(response.into_body().collect()).poll(cx).is_ready());
}

#[test]
fn an_admitted_request_allocates_nothing() {
    let layer = LoadShedLayer::new(8).unwrap().exempt(|head| head.uri.path() == "/livez");
    let mut service = layer.layer(Bare);
    for with_context in [false, true] {
        let mut request = Request::new(());
        if with_context {
            RequestContext::of(&mut request);
        }
        let bare = allocations(|| serve(&mut Bare, request.clone()));
        assert_eq!(allocations(|| serve(&mut service, request.clone())), bare);
    }
}

#[test]
fn the_count_sees_an_allocation() {
    assert_eq!(allocations(|| Box::new(1)), 1);
}
