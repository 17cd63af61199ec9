//! What a request looks like on the wire.

use http::{HeaderMap, Method, Request, Version, header::CONTENT_TYPE};

use crate::body::BodyRule;

/// What a layer must remember of a request's head after it has passed the request on: enough to refuse in the right
/// form, and to know whether a response's body will be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wire {
    version: Version,
    method: Method,
    protocol: Protocol,
}

/// The form in which the client expects an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// Plain HTTP: a refusal is a status and a problem document.
    Plain,
    /// gRPC: a refusal is a status in the trailers.
    Grpc,
}

impl Wire {
    /// Reads it off a request's head.
    pub fn of<B>(request: &Request<B>) -> Self {
        Self {
            version: request.version(),
            method: request.method().clone(),
            protocol: Protocol::of(request.headers()),
        }
    }

    /// The HTTP version of the request.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The request's method.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The method's name for logs and labels: that of a method which HTTP knows, or `_OTHER`, as OpenTelemetry says,
    /// for one that a peer made up.
    pub fn method_name(&self) -> &'static str {
        match self.method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            Method::PATCH => "PATCH",
            Method::DELETE => "DELETE",
            Method::OPTIONS => "OPTIONS",
            Method::CONNECT => "CONNECT",
            Method::TRACE => "TRACE",
            Method::QUERY => "QUERY",
            _ => "_OTHER",
        }
    }

    /// The form in which the client expects an answer.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Whether `Connection: close` means anything to the client, as it does in HTTP/1 alone.
    pub fn is_http1(&self) -> bool {
        self.version < Version::HTTP_2
    }

    /// Which answers to the request are sent with their body.
    pub fn body_rule(&self) -> BodyRule {
        BodyRule::of(&self.method)
    }
}

impl Protocol {
    fn of(headers: &HeaderMap) -> Self {
        // `application/grpc`, `application/grpc+proto`, but not `application/grpc-web`, which speaks in bodies.
        match headers.get(CONTENT_TYPE).and_then(|value| value.as_bytes().strip_prefix(b"application/grpc")) {
            Some([] | [b'+' | b';', ..]) => Self::Grpc,
            _ => Self::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(method: Method, content_type: &str) -> Wire {
        let request = Request::builder().method(method).header(CONTENT_TYPE, content_type).body(()).unwrap();
        Wire::of(&request)
    }

    #[test]
    fn grpc_is_told_from_grpc_web_and_json() {
        for (content_type, protocol) in [
            ("application/grpc", Protocol::Grpc),
            ("application/grpc+proto", Protocol::Grpc),
            ("application/grpc;charset=utf-8", Protocol::Grpc),
            ("application/grpc-web", Protocol::Plain),
            ("application/json", Protocol::Plain),
            ("", Protocol::Plain),
        ] {
            assert_eq!(wire(Method::POST, content_type).protocol(), protocol, "{content_type}");
        }
    }
}
