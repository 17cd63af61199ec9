//! Requests, in process and at once, to a route and with a body that is read.

use std::{
    convert::Infallible,
    future::ready,
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Body;
use http_body_util::Full;
use macadam_core::{RequestContext, Route};
use tower::{Service, service_fn};

type Answer = Response<Full<&'static [u8]>>;

/// A service of one route, that answers so.
pub(crate) fn service(
    route: Route,
    status: StatusCode,
    content_type: &'static str,
) -> impl Service<Request<()>, Response = Answer, Error = Infallible> {
    service_fn(move |request: Request<()>| {
        if let Some(context) = RequestContext::get(&request) {
            context.set_route(route);
        }
        let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
        ready(Ok(response.body(Full::new(&b"hello"[..])).expect("it is a response")))
    })
}

/// One request, to the last frame of its response.
pub(crate) fn send<S, B>(service: &mut S)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body,
{
    let mut request = Request::new(());
    RequestContext::ensure(&mut request);
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut cx) else {
        unreachable!("it is ready at once")
    };
    let mut body = pin!(response.into_body());
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
        black_box(frame.is_ok());
    }
}
