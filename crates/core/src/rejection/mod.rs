//! What a layer answers instead of the service.
//!
//! | kind | status | gRPC | means |
//! |---|---|---|---|
//! | `overloaded` | 503 | 14 | no room; the handler did not run |
//! | `over-share` | 429 | 8 | no room for more of this tenant; the handler did not run |
//! | `deadline` | 503 | 4 | the deadline passed, or could not be met, before the handler ran |
//! | `deadline-exceeded` | 504 | 4 | the deadline passed while the handler ran |
//! | `malformed-timeout` | 400 | 13 | the client did not say in a form that exists how long it waits; the handler did not run |
//! | `request-timeout` | 408 | 4 | the client did not send its request in time |
//! | `content-too-large` | 413 | 8 | the request's body is larger than the service reads |
//! | `panicked` | 500 | 13 | the handler panicked |
//!
//! A layer may be told to refuse with [another status](Rejection::with_status).

mod kind;

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Request, Response, StatusCode,
    header::{CONNECTION, CONTENT_TYPE, RETRY_AFTER},
};

pub use self::kind::Kind;
use crate::{
    body::ResponseBody,
    context::{Protocol, RequestContext, Wire},
};

/// What a layer answers instead of the service.
///
/// It stays in the extensions of the response that it became, so that an outer layer can tell a request that was
/// shed from a service that said 503.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    kind: Kind,
    status: StatusCode,
    reason: Option<&'static str>,
    retry_after_secs: Option<u32>,
    close: bool,
}

/// Replaces the form in which rejections are written.
///
/// ```
/// use bytes::Bytes;
/// use http::Response;
/// use macadam_core::{Rejection, Render, RequestContext, Wire};
///
/// struct OneLine;
///
/// impl Render for OneLine {
///     fn render(&self, refusal: &Rejection, _: &Wire, _: Option<&RequestContext>) -> Response<Bytes> {
///         Response::new(Bytes::from_static(refusal.kind().as_str().as_bytes()))
///     }
/// }
/// ```
///
/// Whatever it returns gets the rejection's status, `Retry-After` and `Connection`, where it did not set them itself.
/// What it returns to a gRPC request is sent only if it has a `grpc-status`, as it is: a renderer need not know gRPC.
pub trait Render: Send + Sync + 'static {
    /// The response to a request that was refused.
    fn render(&self, rejection: &Rejection, wire: &Wire, context: Option<&RequestContext>)
    -> Response<Bytes>;
}

impl<F> Render for F
where
    F: Fn(&Rejection, &Wire, Option<&RequestContext>) -> Response<Bytes> + Send + Sync + 'static,
{
    fn render(
        &self,
        rejection: &Rejection,
        wire: &Wire,
        context: Option<&RequestContext>,
    ) -> Response<Bytes> {
        self(rejection, wire, context)
    }
}

impl Rejection {
    /// A rejection of this kind. A request whose sending is the problem takes its connection along.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            status: kind.status(),
            reason: None,
            retry_after_secs: None,
            close: kind == Kind::RequestTimeout,
        }
    }

    /// Refuses with another status than the kind's own. The kind stays, and so does what a gRPC client is told.
    ///
    /// # Panics
    ///
    /// If it is neither a 4xx nor a 5xx.
    #[must_use]
    pub fn with_status(mut self, status: StatusCode) -> Self {
        assert!(is_error(status), "a refusal is a 4xx or a 5xx");
        self.status = status;
        self
    }

    /// Says what of the kind it was, in a word that stays the same: the problem's `reason`.
    ///
    /// # Panics
    ///
    /// If it is not made of lower-case letters and hyphens.
    #[must_use]
    pub fn because(mut self, reason: &'static str) -> Self {
        let is_word = reason.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
        assert!(is_word, "a reason is a word of lower-case letters and hyphens");
        self.reason = Some(reason);
        self
    }

    /// Asks the client to wait for this many seconds before it tries again.
    #[must_use]
    pub fn retry_after_secs(mut self, seconds: u32) -> Self {
        self.retry_after_secs = Some(seconds);
        self
    }

    /// Ends an HTTP/1 connection with this response.
    #[must_use]
    pub fn close(mut self) -> Self {
        self.close = true;
        self
    }

    /// Why the request was refused.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What of the kind it was, where that was said.
    pub fn reason(&self) -> Option<&'static str> {
        self.reason
    }

    /// The status it is refused with.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Turns the rejection into the response that the client gets.
    ///
    /// The form is the layer's own (`renderer`) if it has one, else the context's, else the default: a problem
    /// document by RFC 9457 with the request's id in it, or for a gRPC request its status.
    pub fn into_response<B>(
        self,
        wire: &Wire,
        context: Option<&RequestContext>,
        renderer: Option<&dyn Render>,
    ) -> Response<ResponseBody<B>> {
        self.written_to(Response::new(Bytes::new()), wire, context, renderer).map(ResponseBody::document)
    }

    /// As [`into_response`](Self::into_response), for a layer that still has the request: its body is dropped, and the
    /// memory of its head becomes the response's, which leaves two allocations of nine. Who refuses by the thousand
    /// should not have to ask for memory each time.
    pub fn answer<R>(self, mut request: Request<R>, renderer: Option<&dyn Render>) -> Response<Bytes> {
        // Taken and not cloned: a reference count is an atomic that is written to.
        let context = request.extensions_mut().remove::<RequestContext>();
        let alone;
        let wire = match &context {
            Some(context) => context.wire(),
            None => {
                alone = Wire::of(&request);
                &alone
            }
        };
        let (mut head, body) = request.into_parts();
        drop(body);
        head.headers.clear();
        head.extensions.clear();
        let mut response = Response::new(Bytes::new());
        *response.headers_mut() = head.headers;
        *response.extensions_mut() = head.extensions;
        self.written_to(response, wire, context.as_ref(), renderer)
    }

    /// Writes into `response`, unless a renderer has made one of its own.
    fn written_to(
        self,
        mut response: Response<Bytes>,
        wire: &Wire,
        context: Option<&RequestContext>,
        renderer: Option<&dyn Render>,
    ) -> Response<Bytes> {
        let is_grpc = wire.protocol() == Protocol::Grpc;
        let renderer = renderer.or_else(|| context?.renderer());
        let rendered = renderer.map(|renderer| renderer.render(&self, wire, context));
        match rendered.filter(|rendered| !is_grpc || rendered.headers().contains_key(GRPC_STATUS)) {
            Some(rendered) => response = rendered,
            None if is_grpc => self.write_grpc(&mut response),
            None => self.write_problem(&mut response, context),
        }
        if !is_grpc {
            if response.status() == StatusCode::OK {
                *response.status_mut() = self.status();
            }
            if let Some(seconds) = self.retry_after_secs {
                response.headers_mut().entry(RETRY_AFTER).or_insert_with(|| whole_seconds(seconds));
            }
        }
        if self.close && wire.is_http1() {
            response.headers_mut().entry(CONNECTION).or_insert(HeaderValue::from_static("close"));
        }
        response.extensions_mut().insert(self);
        response
    }

    fn write_problem(&self, response: &mut Response<Bytes>, context: Option<&RequestContext>) {
        let [head, detail] = self.kind.document();
        let status = self.status();
        let reason = self.reason.map_or(["", "", ""], |reason| [r#","reason":""#, reason, r#"""#]);
        let id = context.and_then(RequestContext::request_id);
        let id = id.as_ref().map_or(["", "", ""], |id| [r#","request_id":""#, id.as_str(), r#"""#]);
        // Nothing here needs escaping, the id neither. One allocation, of the right size.
        let document = [
            head,
            status.canonical_reason().unwrap_or_default(),
            r#"","status":"#,
            status.as_str(),
            detail,
            reason[0],
            reason[1],
            reason[2],
            id[0],
            id[1],
            id[2],
            "}",
        ];
        *response.body_mut() = Bytes::from(document.concat());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    }

    /// A trailers-only answer: the head of an empty response carries what would be the trailers.
    fn write_grpc(&self, response: &mut Response<Bytes>) {
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(GRPC_STATUS, u16::from(self.kind.grpc_status()).into());
        headers.insert("grpc-message", HeaderValue::from_static(self.kind.detail()));
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

/// The few that are usual cost no allocation.
fn whole_seconds(seconds: u32) -> HeaderValue {
    const USUAL: [&str; 10] = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"];
    let usual = usize::try_from(seconds).ok().and_then(|seconds| USUAL.get(seconds.checked_sub(1)?));
    usual.map_or_else(|| seconds.into(), |text| HeaderValue::from_static(text))
}

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
