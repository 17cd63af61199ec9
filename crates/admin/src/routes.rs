//! What the admin listener answers besides probes.

use std::{
    convert::Infallible,
    fmt::Write,
    future::{Ready, ready},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};
use http_body_util::Full;
use tower_service::Service;

use crate::status::Sources;

/// The routes that are not probes.
#[derive(Clone)]
pub(crate) struct Routes {
    sources: Arc<Sources>,
}

impl Routes {
    pub(crate) fn new(sources: Sources) -> Self {
        Self { sources: Arc::new(sources) }
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Bytes> {
        let is_get = method == Method::GET || method == Method::HEAD;
        match path {
            "/" | "/status" if !is_get => {
                let mut response =
                    document(StatusCode::METHOD_NOT_ALLOWED, TEXT, "ask with GET or HEAD\n".into());
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
                response
            }
            "/" => document(StatusCode::OK, TEXT, self.index().into()),
            "/status" => match self.sources.document() {
                Ok(status) => document(StatusCode::OK, JSON, status.into()),
                Err(error) => {
                    tracing::error!(%error, "the status cannot be written");
                    document(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the status cannot be written\n".into())
                }
            },
            _ => document(StatusCode::NOT_FOUND, TEXT, "not found: / lists what is here\n".into()),
        }
    }

    fn index(&self) -> String {
        let mut index = String::from(INDEX);
        let Sources { service, version, .. } = &*self.sources;
        for known in [service, version].into_iter().flatten() {
            let _ = writeln!(index, "\n{known}");
        }
        index
    }
}

impl<B> Service<Request<B>> for Routes {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let mut response = self.answer(request.method(), request.uri().path());
        if request.method() == Method::HEAD {
            let length = std::mem::take(response.body_mut()).len();
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        ready(Ok(response.map(Full::new)))
    }
}

fn document(status: StatusCode, content_type: &'static str, document: Bytes) -> Response<Bytes> {
    let mut response = Response::new(document);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
const INDEX: &str = "\
/livez     whether a restart would help: 503 if so
/readyz    whether to send traffic: 503 if not
/startupz  whether the process has started: 503 until it has
           each takes ?verbose, ?exclude=check and /check
/status    what the process is doing, as JSON
";
