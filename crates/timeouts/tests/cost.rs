//! What a request pays, counted.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    convert::Infallible,
    future::{Pending, Ready, pending, ready},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use macadam_core::{RequestContext, ResponseBody};
use macadam_test::{ScriptedBody, Step, allocations};
use macadam_timeouts::{CurrentLayer, Inherit, ResponseFuture, RouteTimeoutLayer, TimeoutBody, TimeoutLayer};
use tower::{Layer, Service, service_fn};

const LIMIT: Duration = Duration::from_secs(3);

type Answer = Result<Response<String>, Infallible>;

fn at_once(_: Request<()>) -> Ready<Answer> {
    ready(Ok(Response::new(String::new())))
}

fn never(_: Request<()>) -> Pending<Answer> {
    pending()
}

fn with_context() -> (Request<()>, RequestContext) {
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    (request, context)
}

/// Calls the service and polls its future once; whether it is ready, and how many allocations that took.
fn one_poll(mut service: impl Service<Request<()>>, request: Request<()>) -> (bool, u64) {
    let mut is_ready = false;
    let count = allocations(|| {
        let call = pin!(service.call(request));
        is_ready = call.poll(&mut Context::from_waker(Waker::noop())).is_ready();
    });
    (is_ready, count)
}

// Outside a runtime, so a timer would panic.
#[test]
fn a_service_that_is_ready_at_once_costs_no_allocation_and_no_timer() {
    let plain = TimeoutLayer::new(LIMIT);
    let (watched, _handle) = plain.clone().pair();
    for layer in [plain, watched] {
        assert_eq!(one_poll(layer.layer(service_fn(at_once)), Request::new(())), (true, 0));
        let (request, _context) = with_context();
        assert_eq!(one_poll(layer.layer(service_fn(at_once)), request), (true, 0));
        let nested = layer.layer(layer.layer(RouteTimeoutLayer::new(2 * LIMIT).layer(service_fn(at_once))));
        assert_eq!(one_poll(nested.clone(), Request::new(())), (true, 0));
        let (request, _context) = with_context();
        assert_eq!(one_poll(nested, request), (true, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_waits_costs_no_allocation() {
    let layer = TimeoutLayer::new(LIMIT);
    assert_eq!(one_poll(layer.layer(service_fn(never)), Request::new(())), (false, 0));
    let (request, _context) = with_context();
    assert_eq!(one_poll(layer.layer(layer.layer(service_fn(never))), request), (false, 0));
}

#[test]
fn a_request_that_brings_no_deadline_costs_no_allocation_and_one_that_does_no_more_than_a_context() {
    let layer = TimeoutLayer::new(LIMIT).inherit(Inherit::shorten());
    let brings = |mut request: Request<()>| {
        request.headers_mut().insert("x-request-timeout-ms", "250".parse().unwrap());
        request
    };
    let service = || layer.layer(service_fn(at_once));
    assert_eq!(one_poll(service(), Request::new(())), (true, 0));
    assert_eq!(one_poll(service(), with_context().0), (true, 0));
    assert_eq!(one_poll(service(), brings(with_context().0)), (true, 0));
    let context = allocations(|| with_context().1);
    assert_eq!(one_poll(service(), brings(Request::new(()))), (true, context));
}

#[test]
fn a_current_context_costs_no_allocation() {
    // The first one of a thread makes the place for it.
    assert!(one_poll(CurrentLayer.layer(service_fn(at_once)), with_context().0).0);
    assert_eq!(one_poll(CurrentLayer.layer(service_fn(at_once)), with_context().0), (true, 0));
}

#[test]
fn an_exposed_layer_costs_what_a_context_costs() {
    let context = allocations(|| {
        let mut request = Request::new(());
        RequestContext::of(&mut request)
    });
    let layer = TimeoutLayer::new(LIMIT).expose();
    assert_eq!(one_poll(layer.layer(service_fn(at_once)), Request::new(())), (true, context));
    let (request, _context) = with_context();
    assert_eq!(one_poll(layer.layer(service_fn(at_once)), request), (true, 0));
}

/// A body whose every frame is ready, of unknown length, which allocates nothing.
struct Frames(usize);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"frame")))))
    }
}

fn answered<B: Body>(
    layer: &TimeoutLayer,
    request: Request<()>,
    response: Response<B>,
) -> Response<TimeoutBody<B>> {
    let mut response = Some(response);
    let mut service = layer.layer(service_fn(move |_| ready(Ok::<_, Infallible>(response.take().unwrap()))));
    let call = pin!(service.call(request));
    match call.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response,
        _ => panic!("it is ready at once"),
    }
}

// Outside a runtime, so a timer would panic.
#[test]
fn a_frame_that_is_ready_costs_no_allocation_and_no_timer_and_so_does_a_whole_body_of_them() {
    let plain = TimeoutLayer::new(LIMIT);
    let idle = plain.clone().response_body_idle(LIMIT).stream_idle(LIMIT);
    for (layer, request) in [
        (&plain, Request::new(())),
        (&plain, with_context().0),
        (&idle, Request::new(())),
        (&idle, with_context().0),
    ] {
        let count = allocations(|| {
            let mut body = pin!(answered(layer, request, Response::new(Frames(10_000))).into_body());
            let mut frames = 0;
            while let Poll::Ready(Some(frame)) =
                body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()))
            {
                frames += usize::from(frame.is_ok());
            }
            assert_eq!(frames, 10_000);
        });
        assert_eq!(count, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_waits_costs_one_allocation_however_often_it_waits() {
    let body = |waits| {
        let steps = (0..waits).flat_map(|_| [Step::pending(), Step::data("frame")]);
        ScriptedBody::new(steps).unknown_end()
    };
    for (request, idle) in [(Request::new(()), false), (with_context().0, false), (with_context().0, true)] {
        let layer = TimeoutLayer::new(LIMIT);
        let layer = if idle { layer.response_body_idle(LIMIT) } else { layer };
        let body = body(100);
        let handle = body.handle();
        let mut body = pin!(answered(&layer, request, Response::new(body)).into_body());
        let mut poll = || body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop())).is_ready();
        assert_eq!(allocations(|| assert!(!poll())), 1, "its timer");
        let more = allocations(|| {
            for _ in 0..99 {
                handle.wake();
                assert!(poll());
                assert!(!poll());
            }
        });
        assert_eq!(more, 0);
    }
}

#[test]
fn a_body_is_larger_than_the_services_by_120_bytes_and_its_timer_is_not_in_it() {
    assert!(size_of::<TimeoutBody<[u64; 8]>>() - size_of::<ResponseBody<[u64; 8]>>() <= 120);
}

#[test]
fn a_future_is_larger_than_the_services_by_tokios_timer_and_96_bytes() {
    let most = size_of::<tokio::time::Sleep>() + 96;
    assert!(size_of::<ResponseFuture<[u64; 8]>>() - size_of::<[u64; 8]>() <= most);
}
