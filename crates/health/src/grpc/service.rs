//! Check, List and Watch.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CONTENT_TYPE},
};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use super::{
    body::{GrpcHealthBody, Watch},
    layer::GrpcHealthLayer,
    wire::{self, Code, LONGEST_BODY, Serving},
};
use crate::{class::Status, health::Health, probe::Probe};

/// The health service of gRPC, `grpc.health.v1.Health`, over HTTP/2.
///
/// The service without a name is the process: it serves as long as `/readyz` passes. So does every name that it is
/// [told](Self::services). The names `livez`, `readyz` and `startupz` are those probes, for a platform that asks for one
/// by the name of a service, as Kubernetes does. Of any other name Check answers `NOT_FOUND`, and Watch
/// `SERVICE_UNKNOWN`, and stays open.
///
/// A Watch is told of a change when it happens, and ends with `UNAVAILABLE` when nobody accepts any more: a connection
/// would otherwise be kept for it through the whole of the drain. At most 10,000 are open at a time; one more is refused
/// with `RESOURCE_EXHAUSTED`.
///
/// It is a service for a route, `/grpc.health.v1.Health/{method}`, and a [layer](Self::layer).
#[derive(Clone)]
pub struct GrpcHealth {
    health: Health,
    services: Arc<Vec<String>>,
}

impl GrpcHealth {
    pub(crate) fn new(health: Health) -> Self {
        Self { health, services: Arc::default() }
    }

    /// Adds services by their full names, `orders.v1.Orders`. They serve when the process does.
    #[must_use]
    pub fn services<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        Arc::make_mut(&mut self.services).extend(names.into_iter().map(Into::into));
        self
    }

    /// The layer that answers in front of a service.
    pub fn layer(self) -> GrpcHealthLayer {
        GrpcHealthLayer::new(self)
    }

    pub(super) fn health(&self) -> &Health {
        &self.health
    }

    /// Whether a service serves, and whether it does not for the shutdown. Nothing of one that is not known.
    pub(super) fn serving(&self, service: &str) -> Option<(Serving, bool)> {
        let probe = match service {
            "" | "readyz" => Probe::Readiness,
            "livez" => Probe::Liveness,
            "startupz" => Probe::Startup,
            name => self.services.iter().any(|known| known == name).then_some(Probe::Readiness)?,
        };
        let serving = if self.health.status(probe) == Status::Fail { Serving::No } else { Serving::Yes };
        Some((serving, probe == Probe::Readiness && self.health.reach().is_leaving()))
    }

    fn answer(&self, call: Call, service: &str) -> Response<GrpcHealthBody> {
        match call {
            Call::Check => match self.serving(service) {
                Some((serving, leaving)) => {
                    if leaving {
                        self.health.reach().note_probe();
                    }
                    head(GrpcHealthBody::message(wire::status(serving)))
                }
                None => refused(Code::NotFound, "no such service"),
            },
            Call::List => {
                let fixed = ["", "livez", "readyz", "startupz"].into_iter();
                let services = fixed.chain(self.services.iter().map(String::as_str));
                let statuses = services.filter_map(|name| Some((name, self.serving(name)?.0)));
                head(GrpcHealthBody::message(wire::list(statuses)))
            }
            Call::Watch => match self.health.reach().watch_place() {
                Some(place) => head(GrpcHealthBody::watch(Watch::new(self.clone(), service.into(), place))),
                None => refused(Code::ResourceExhausted, "too many watch already"),
            },
        }
    }
}

impl fmt::Debug for GrpcHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcHealth").field("services", &self.services).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Check,
    List,
    Watch,
}

/// Whether a path is one of this service.
pub(super) fn is_asked(path: &str) -> bool {
    path.starts_with(PATH)
}

impl<B: Body> Service<Request<B>> for GrpcHealth {
    type Response = Response<GrpcHealthBody>;
    type Error = Infallible;
    type Future = GrpcHealthFuture<B>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let answered = |response| GrpcHealthFuture { kind: Kind::Answered { response: Some(response) } };
        let is_grpc = |value: &HeaderValue| value.as_bytes().starts_with(GRPC.as_bytes());
        if request.method() != Method::POST {
            let mut response = Response::new(GrpcHealthBody::empty());
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return answered(response);
        }
        if !request.headers().get(CONTENT_TYPE).is_some_and(is_grpc) {
            let mut response = Response::new(GrpcHealthBody::empty());
            *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return answered(response);
        }
        let call = match request.uri().path().strip_prefix(PATH) {
            Some("Check") => Call::Check,
            Some("List") => Call::List,
            Some("Watch") => Call::Watch,
            _ => return answered(refused(Code::Unimplemented, "no such method")),
        };
        let (grpc, body) = (self.clone(), request.into_body());
        GrpcHealthFuture { kind: Kind::Reading { body, read: Vec::new(), grpc, call } }
    }
}

pin_project! {
    /// Reads the request, and answers.
    pub struct GrpcHealthFuture<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B> {
        Answered { response: Option<Response<GrpcHealthBody>> },
        Reading { #[pin] body: B, read: Vec<u8>, grpc: GrpcHealth, call: Call },
    }
}

impl<B: Body> Future for GrpcHealthFuture<B> {
    type Output = Result<Response<GrpcHealthBody>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let (mut body, read, grpc, call) = match self.project().kind.project() {
            KindProj::Answered { response } => {
                return Poll::Ready(Ok(response.take().expect("a future is not polled after it was ready")));
            }
            KindProj::Reading { body, read, grpc, call } => (body, read, grpc, *call),
        };
        let response = loop {
            match wire::unframe(read) {
                Ok(Some(message)) => {
                    break match wire::service(message) {
                        Some(service) => grpc.answer(call, service),
                        None => refused(Code::InvalidArgument, "the message is no HealthCheckRequest"),
                    };
                }
                Err((code, message)) => break refused(code, message),
                Ok(None) => {}
            }
            match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => {
                    if let Ok(mut data) = frame.into_data() {
                        // No more than a message can have: what follows it is nobody's.
                        let room = LONGEST_BODY - read.len();
                        let taken = data.remaining().min(room);
                        read.extend_from_slice(&data.copy_to_bytes(taken));
                    }
                }
                Some(Err(_)) | None => break refused(Code::InvalidArgument, "the message is not whole"),
            }
        };
        Poll::Ready(Ok(response))
    }
}

impl<B> fmt::Debug for GrpcHealthFuture<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcHealthFuture").finish_non_exhaustive()
    }
}

fn head(body: GrpcHealthBody) -> Response<GrpcHealthBody> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(GRPC));
    response
}

/// The status in the head, as nothing follows.
fn refused(code: Code, message: &'static str) -> Response<GrpcHealthBody> {
    let mut response = head(GrpcHealthBody::empty());
    response.headers_mut().extend(trailers(code, message));
    response
}

pub(super) fn trailers(code: Code, message: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::with_capacity(2);
    trailers.insert(GRPC_STATUS, HeaderValue::from(code as u16));
    if !message.is_empty() {
        trailers.insert(GRPC_MESSAGE, HeaderValue::from_static(message));
    }
    trailers
}

const PATH: &str = "/grpc.health.v1.Health/";
const GRPC: &str = "application/grpc";
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
