//! Responses that go on for as long as their client likes.

use http::{
    HeaderMap,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};

/// A response that goes on for as long as its client likes, as its own head says.
///
/// Nothing that the client sent is asked: whoever is bounded could ask not to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Streaming {
    /// An event stream, or a `multipart/x-mixed-replace`: what has come is of use without what follows.
    Events,
    /// gRPC, which says in its trailers how it ended. A call with a single answer has the same head.
    Grpc,
    /// gRPC-Web: its trailers are in its body, and the service's alone.
    GrpcWeb,
}

impl Streaming {
    /// Reads it off a response's head. `None` also where that says how long the body is.
    pub fn of(head: &HeaderMap) -> Option<Self> {
        let kind = head.get(CONTENT_TYPE).and_then(|media_type| Self::of_type(media_type.as_bytes()))?;
        (!head.contains_key(CONTENT_LENGTH)).then_some(kind)
    }

    fn of_type(media_type: &[u8]) -> Option<Self> {
        let end = media_type.iter().position(|byte| *byte == b';').unwrap_or(media_type.len());
        let essence = media_type[..end].trim_ascii();
        if essence.eq_ignore_ascii_case(b"text/event-stream")
            || essence.eq_ignore_ascii_case(b"multipart/x-mixed-replace")
        {
            return Some(Self::Events);
        }
        let (start, rest) = essence.split_at_checked(GRPC.len())?;
        match rest {
            _ if !start.eq_ignore_ascii_case(GRPC) => None,
            [] | [b'+', ..] => Some(Self::Grpc),
            [b'-', ..] => Some(Self::GrpcWeb),
            _ => None,
        }
    }
}

const GRPC: &[u8] = b"application/grpc";

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn streams_are_known_by_their_media_type() {
        for (media_type, kind) in [
            ("text/event-stream", Some(Streaming::Events)),
            ("Text/Event-Stream ; charset=utf-8", Some(Streaming::Events)),
            ("multipart/x-mixed-replace;boundary=frame", Some(Streaming::Events)),
            ("application/grpc", Some(Streaming::Grpc)),
            ("application/grpc+proto", Some(Streaming::Grpc)),
            ("application/grpc-web+proto", Some(Streaming::GrpcWeb)),
            ("application/grpcish", None),
            ("text/event-stream-of-mine", None),
            ("text/plain", None),
            ("", None),
        ] {
            let mut head = HeaderMap::new();
            assert_eq!(Streaming::of(&head), None);
            head.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
            assert_eq!(Streaming::of(&head), kind, "{media_type}");
        }
    }

    #[test]
    fn what_says_its_length_is_no_stream() {
        let mut head = HeaderMap::new();
        head.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        head.insert(CONTENT_LENGTH, 3.into());
        assert_eq!(Streaming::of(&head), None);
    }
}
