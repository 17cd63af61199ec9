//! What the admin listener answers besides probes.

use std::{
    convert::Infallible,
    fmt::Write,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
        RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tower_service::Service;

use crate::{page, reader::Reader, scrape::Scrape, stream::Streams};

/// The routes that are not probes.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    index: Arc<str>,
    reader: Reader,
    streams: Streams,
    scrape: Option<Scrape>,
}

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

impl Routes {
    pub(crate) fn new(
        service: Option<&str>,
        version: Option<&str>,
        reader: Reader,
        scrape: Option<Scrape>,
    ) -> Self {
        let mut index = String::from(INDEX);
        if scrape.is_some() {
            index.push_str(METRICS);
        }
        for known in [service, version].into_iter().flatten() {
            // It does not fail: a string grows.
            let _ = writeln!(index, "\n{known}");
        }
        Self { index: index.into(), reader, streams: Streams::new(), scrape }
    }

    async fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
        let is_here = match path {
            "/" | "/status" | "/stream" => true,
            "/metrics" => self.scrape.is_some(),
            _ => false,
        };
        if !is_here {
            return text(StatusCode::NOT_FOUND, NOT_FOUND);
        }
        if method != Method::GET && method != Method::HEAD {
            let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "ask with GET or HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match path {
            "/" => self.front(headers).await,
            "/status" => match self.reader.now().await.map(|status| serde_json::to_vec_pretty(&*status)) {
                Some(Ok(mut status)) => {
                    status.push(b'\n');
                    document(StatusCode::OK, JSON, status)
                }
                failed => unreadable(failed.and_then(Result::err)),
            },
            "/metrics" => self.metrics(headers).await,
            _ => self.stream(),
        }
    }

    /// The page for who says that he reads HTML, which browsers do; else the list of routes.
    async fn front(&self, headers: &HeaderMap) -> Response<Body> {
        let mut response = if wants_html(headers) {
            match self.reader.now().await.map(|status| page::whole(&status)) {
                Some(Ok(page)) => {
                    let mut response = document(StatusCode::OK, HTML, page);
                    let headers = response.headers_mut();
                    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::POLICY));
                    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
                    response
                }
                failed => unreadable(failed.and_then(Result::err)),
            }
        } else {
            document(StatusCode::OK, TEXT, self.index.to_string())
        };
        response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
        response
    }

    async fn metrics(&self, headers: &HeaderMap) -> Response<Body> {
        let Some(scrape) = &self.scrape else { return text(StatusCode::NOT_FOUND, NOT_FOUND) };
        let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).map(str::to_owned);
        match scrape.text(accept).await {
            Some((content_type, metrics)) => {
                let mut response = document(StatusCode::OK, content_type, metrics);
                response.headers_mut().insert(VARY, HeaderValue::from_static("accept"));
                response
            }
            None => text(StatusCode::SERVICE_UNAVAILABLE, "something that the metrics are read from hangs\n"),
        }
    }

    fn stream(&self) -> Response<Body> {
        match self.streams.open(self.reader.ticks()) {
            Some(events) => with_headers(StatusCode::OK, EVENTS, events),
            None => {
                let mut response = text(StatusCode::SERVICE_UNAVAILABLE, "as many are watching as may\n");
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
                response
            }
        }
    }
}

impl<B> Service<Request<B>> for Routes {
    type Response = Response<Body>;
    type Error = Infallible;
    /// Boxed: here people ask, and no traffic.
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let routes = self.clone();
        let head = request.into_parts().0;
        Box::pin(async move {
            let response = routes.answer(&head.method, head.uri.path(), &head.headers).await;
            Ok(if head.method == Method::HEAD { without_body(response) } else { response })
        })
    }
}

fn without_body(response: Response<Body>) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if let Some(length) = http_body::Body::size_hint(&body).exact() {
        head.headers.insert(CONTENT_LENGTH, length.into());
    }
    Response::from_parts(head, Full::default().boxed_unsync())
}

/// Whether `text/html` is named among what the client accepts. That it accepts anything says nothing.
fn wants_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_html = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("text/html"));
        is_html && !parts.any(|parameter| matches!(parameter, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
    })
}

fn unreadable(error: Option<impl std::error::Error>) -> Response<Body> {
    match error {
        Some(error) => {
            tracing::error!(%error, "the status cannot be written");
            text(StatusCode::INTERNAL_SERVER_ERROR, "the status cannot be written\n")
        }
        None => text(StatusCode::SERVICE_UNAVAILABLE, "something that the status reads hangs\n"),
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Body> {
    document(status, TEXT, text)
}

fn document(status: StatusCode, content_type: &'static str, document: impl Into<Bytes>) -> Response<Body> {
    with_headers(status, content_type, Full::new(document.into()).boxed_unsync())
}

fn with_headers(status: StatusCode, content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

const NOT_FOUND: &str = "not found: / lists what is here\n";
const TEXT: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";
const INDEX: &str = "\
/livez     whether a restart would help: 503 if so
/readyz    whether to send traffic: 503 if not
/startupz  whether the process has started: 503 until it has
           each takes ?verbose, ?exclude=check and /check
/status    what the process is doing, as JSON
/          the same as a page, in a browser
";
const METRICS: &str = "\
/metrics   what is measured, for Prometheus
";
