//! The 408 that is written by hand, when there is no request yet for hyper to answer.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::SystemTime,
};

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use macadam_core::{Kind, Rejection, Wire};

/// A whole HTTP/1.1 response: the head did not come in time.
pub(crate) fn request_timeout() -> Vec<u8> {
    let wire = Wire::of(&Request::new(()));
    let response = Rejection::new(Kind::RequestTimeout).into_response::<NoBody>(&wire, None, None);
    let (head, body) = response.into_parts();
    let mut cx = Context::from_waker(Waker::noop());
    let body = match pin!(body).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    };

    let mut bytes = format!("HTTP/1.1 {}\r\n", head.status).into_bytes();
    let mut header = |name: &str, value: &[u8]| {
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            bytes.extend_from_slice(part);
        }
    };
    for (name, value) in &head.headers {
        header(name.as_str(), value.as_bytes());
    }
    header("content-length", body.len().to_string().as_bytes());
    header("date", httpdate::fmt_http_date(SystemTime::now()).as_bytes());
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes
}

/// The service's body where there is no service.
struct NoBody;

impl Body for NoBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_whole_response_that_closes() {
        let text = String::from_utf8(request_timeout()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{head}");
        assert!(head.contains("\r\nconnection: close"), "{head}");
        assert!(head.contains("\r\ncontent-type: application/problem+json"), "{head}");
        assert!(head.contains(&format!("\r\ncontent-length: {}", body.len())), "{head}");
        assert!(body.contains(r#""type":"urn:problem-type:macadam:request-timeout""#), "{body}");
    }
}
