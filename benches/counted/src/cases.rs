//! The table: to guard another path is to add a row.

use std::{
    convert::Infallible,
    future::{Ready, poll_fn, ready},
    hint::black_box,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{Empty, Full};
use macadam_core::{InFlight, PhaseOwner, RequestContext, ResponseBody};
use macadam_graceful_shutdown::DrainLayer;
use macadam_telemetry::TelemetryLayer;
use macadam_timeouts::{TimeoutHeader, TimeoutLayer};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::{callgrind::Cost, peers};

pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The case that does the same without what is counted.
    pub(crate) beside: Option<&'static str>,
    /// `None` for what stands here to be compared with.
    pub(crate) ceiling: Option<Cost>,
    /// So many passes.
    pub(crate) run: fn(u32),
}

/// The ceilings are a tenth above what was counted, those of a request behind telemetry a fiftieth: another release of the compiler costs some
/// percent. Not so for the atomics, of which one more is one too many.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "context",
        beside: None,
        ceiling: None,
        run: |times| passes(times, Polls::One, &mut at_once()),
    },
    Case {
        // What moving a request and a response through a layer costs by itself.
        name: "a layer that does nothing, ready at once",
        beside: Some("context"),
        ceiling: None,
        run: |times| passes(times, Polls::One, &mut nothing(at_once())),
    },
    Case {
        name: "timeouts, ready at once",
        beside: Some("context"),
        ceiling: Some(Cost { instructions: 340, atomics: 0 }),
        run: |times| passes(times, Polls::One, &mut TimeoutLayer::new(LIMIT).layer(at_once())),
    },
    Case {
        name: "timeouts with a handle, ready at once",
        beside: Some("context"),
        ceiling: Some(Cost { instructions: 365, atomics: 2 }),
        run: |times| passes(times, Polls::One, &mut TimeoutLayer::new(LIMIT).pair().0.layer(at_once())),
    },
    Case {
        name: "tower-http, ready at once",
        beside: Some("context"),
        ceiling: None,
        run: |times| passes(times, Polls::One, &mut tower_http().layer(at_once())),
    },
    Case {
        name: "context, pending once",
        beside: None,
        ceiling: None,
        run: |times| passes(times, Polls::Two, &mut at_second()),
    },
    Case {
        name: "timeouts, pending once",
        beside: Some("context, pending once"),
        ceiling: Some(Cost { instructions: 1230, atomics: 15 }),
        run: |times| passes(times, Polls::Two, &mut TimeoutLayer::new(LIMIT).layer(at_second())),
    },
    Case {
        // A timer takes more than eight atomics: there is none.
        name: "two more timeouts around that",
        beside: Some("timeouts, pending once"),
        ceiling: Some(Cost { instructions: 1510, atomics: 4 }),
        run: |times| {
            let layer = TimeoutLayer::new(LIMIT);
            passes(times, Polls::Two, &mut layer.layer(layer.layer(layer.layer(at_second()))));
        },
    },
    Case {
        name: "tower-http, pending once",
        beside: Some("context, pending once"),
        ceiling: None,
        run: |times| passes(times, Polls::Two, &mut tower_http().layer(at_second())),
    },
    Case { name: "body, a frame", beside: None, ceiling: None, run: |times| frames(Frames(times)) },
    Case {
        name: "timeouts, a frame that is ready",
        beside: Some("body, a frame"),
        ceiling: Some(Cost { instructions: 34, atomics: 0 }),
        run: |times| frames(body_of(&TimeoutLayer::new(LIMIT), Frames(times))),
    },
    Case {
        name: "timeouts with an idle clock, a frame",
        beside: Some("body, a frame"),
        ceiling: Some(Cost { instructions: 34, atomics: 0 }),
        run: |times| frames(body_of(&TimeoutLayer::new(LIMIT).response_body_idle(LIMIT), Frames(times))),
    },
    Case {
        name: "drain, ready at once",
        beside: Some("context"),
        ceiling: Some(Cost { instructions: 527, atomics: 5 }),
        run: |times| passes(times, Polls::One, &mut drain().layer(at_once())),
    },
    Case {
        name: "drain, a frame that is ready",
        beside: Some("body, a frame"),
        ceiling: Some(Cost { instructions: 70, atomics: 0 }),
        run: |times| frames(body_of(&drain(), Frames(times))),
    },
    Case {
        name: "telemetry, ready at once",
        beside: Some("context"),
        ceiling: Some(Cost { instructions: 1775, atomics: 3 }),
        run: |times| passes(times, Polls::One, &mut TelemetryLayer::new().layer(at_once())),
    },
    Case {
        name: "context, a body that is read",
        beside: None,
        ceiling: None,
        run: |times| answers(times, &mut with_body()),
    },
    Case {
        name: "telemetry, a body that is read",
        beside: Some("context, a body that is read"),
        ceiling: Some(Cost { instructions: 2250, atomics: 3 }),
        run: |times| answers(times, &mut TelemetryLayer::new().layer(with_body())),
    },
    Case {
        // No route is told to it and it records no span, which spares it a part.
        name: "OpenTelemetry's own layer, ready at once",
        beside: Some("context"),
        ceiling: None,
        run: |times| passes(times, Polls::One, &mut peers::official().layer(at_once())),
    },
    Case {
        name: "tower-otel, ready at once",
        beside: Some("context"),
        ceiling: None,
        run: |times| passes(times, Polls::One, &mut peers::tower_otel().layer(at_once())),
    },
    Case {
        name: "grpc-timeout, read",
        beside: None,
        ceiling: Some(Cost { instructions: 150, atomics: 0 }),
        run: |times| reads(times, &TimeoutHeader::grpc(), "99999999u"),
    },
    Case {
        name: "connect-timeout-ms, read",
        beside: None,
        ceiling: Some(Cost { instructions: 150, atomics: 0 }),
        run: |times| reads(times, &TimeoutHeader::connect(), "9999999999"),
    },
];

const LIMIT: Duration = Duration::from_secs(3);

/// How often a response is asked for until it is there.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Polls {
    One,
    Two,
}

type Answer = Result<Response<Full<Bytes>>, Infallible>;

pub(crate) fn at_once()
-> impl Service<Request<Empty<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> {
    service_fn(|_: Request<Empty<Bytes>>| ready(Answer::Ok(Response::new(Full::default()))))
}

fn with_body()
-> impl Service<Request<Empty<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send> {
    service_fn(|_: Request<Empty<Bytes>>| {
        ready(Answer::Ok(Response::new(Full::new(Bytes::from_static(b"hello")))))
    })
}

fn at_second() -> impl Service<Request<Empty<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible> {
    service_fn(|_: Request<Empty<Bytes>>| {
        let mut polled = false;
        poll_fn(move |_| {
            if std::mem::replace(&mut polled, true) {
                Poll::Ready(Answer::Ok(Response::new(Full::default())))
            } else {
                Poll::Pending
            }
        })
    })
}

fn nothing<S>(
    inner: S,
) -> impl Service<Request<Empty<Bytes>>, Response = Response<ResponseBody<Full<Bytes>>>, Error = Infallible>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<Full<Bytes>>, Error = Infallible>,
{
    inner.map_response(|response| response.map(ResponseBody::service))
}

fn drain() -> DrainLayer {
    DrainLayer::new(InFlight::new(), PhaseOwner::new().watch())
}

fn tower_http() -> tower_http::timeout::TimeoutLayer {
    tower_http::timeout::TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, LIMIT)
}

/// Requests that have a context, in a task of a runtime, so that a waker is a real one.
pub(crate) fn passes<S, B>(times: u32, polls: Polls, service: &mut S)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(poll_fn(|cx| {
        for _ in 0..times {
            let request = request_with_context();
            let mut call = pin!(service.call(request));
            if polls == Polls::Two {
                assert!(call.as_mut().poll(cx).is_pending());
            }
            // Looked at where it lies: it is not the service that would move it once more.
            let polled = call.poll(cx);
            assert!(matches!(black_box(&polled), Poll::Ready(Ok(_))));
        }
        Poll::Ready(())
    }));
}

/// The same to the last frame of the body, each of which is ready.
fn answers<S, B>(times: u32, service: &mut S)
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes>,
{
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..times {
        let call = pin!(service.call(request_with_context()));
        let Poll::Ready(Ok(response)) = call.poll(&mut cx) else { panic!("it was to be ready") };
        frames(response.into_body());
    }
}

fn request_with_context() -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    RequestContext::ensure(&mut request);
    request
}

/// So many frames, each of which is ready, and nobody knows how many.
struct Frames(u32);

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

/// The body behind this layer, of a request that has a context.
fn body_of<L, B>(layer: &L, body: Frames) -> impl Body<Data = Bytes> + use<L, B>
where
    L: Layer<OneBody, Service: Service<Request<Empty<Bytes>>, Response = Response<B>>>,
    B: Body<Data = Bytes>,
{
    let mut service = layer.layer(OneBody(Some(body)));
    let mut request = Request::new(Empty::new());
    RequestContext::ensure(&mut request);
    let call = pin!(service.call(request));
    let Poll::Ready(Ok(response)) = call.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("it was to be ready")
    };
    response.into_body()
}

/// Answers once, with this body.
struct OneBody(Option<Frames>);

impl Service<Request<Empty<Bytes>>> for OneBody {
    type Response = Response<Frames>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Frames>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Empty<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(self.0.take().expect("it is called once"))))
    }
}

/// Polled by reference, as a server polls a boxed body: a frame is really handed out, and not seen through.
fn frames<E>(body: impl Body<Data = Bytes, Error = E>) {
    let body: Pin<&mut dyn Body<Data = Bytes, Error = E>> = pin!(body);
    let mut body = black_box(body);
    let mut cx = Context::from_waker(Waker::noop());
    while let Poll::Ready(Some(frame)) = body.as_mut().poll_frame(&mut cx) {
        black_box(&frame);
    }
}

fn reads(times: u32, header: &TimeoutHeader, value: &'static str) {
    let value = HeaderValue::from_static(value);
    for _ in 0..times {
        black_box(black_box(header).parse(black_box(&value)));
    }
}
