//! How far a deadline reaches into a response's body, as the response itself says.

use http::{
    Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::Body;

/// What kind of body a response has.
///
/// Nothing that the client sent is asked: whoever is bounded could ask not to be. Of an upgrade nothing has to be known,
/// since its body is dropped with its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Course {
    /// Its length is known: the work is done, and what is left is to send it.
    Known,
    /// It goes on until its last frame.
    Open,
    /// It goes on for as long as its client likes.
    Stream,
    /// So does this one, which can also say in its trailers how it ended.
    Grpc,
}

impl Course {
    #[inline]
    pub(crate) fn of<B: Body>(response: &Response<B>) -> Self {
        let (headers, body) = (response.headers(), response.body());
        if body.is_end_stream() || body.size_hint().exact().is_some() || headers.contains_key(CONTENT_LENGTH)
        {
            return Self::Known;
        }
        headers.get(CONTENT_TYPE).map_or(Self::Open, |media_type| Self::of_type(media_type.as_bytes()))
    }

    fn of_type(media_type: &[u8]) -> Self {
        let end = media_type.iter().position(|byte| *byte == b';').unwrap_or(media_type.len());
        let essence = media_type[..end].trim_ascii();
        if essence.eq_ignore_ascii_case(b"text/event-stream")
            || essence.eq_ignore_ascii_case(b"multipart/x-mixed-replace")
        {
            return Self::Stream;
        }
        let Some((start, rest)) = essence.split_at_checked(GRPC.len()) else { return Self::Open };
        match rest {
            _ if !start.eq_ignore_ascii_case(GRPC) => Self::Open,
            [] | [b'+', ..] => Self::Grpc,
            // gRPC-Web has its trailers in its body, which is the service's alone.
            [b'-', ..] => Self::Stream,
            _ => Self::Open,
        }
    }
}

const GRPC: &[u8] = b"application/grpc";

#[cfg(test)]
mod tests {
    use macadam_test::{ScriptedBody, Step};

    use super::*;

    #[test]
    fn streams_are_known_by_their_media_type() {
        for (media_type, course) in [
            ("text/event-stream", Course::Stream),
            ("Text/Event-Stream ; charset=utf-8", Course::Stream),
            ("multipart/x-mixed-replace;boundary=frame", Course::Stream),
            ("application/grpc-web+proto", Course::Stream),
            ("application/grpc", Course::Grpc),
            ("application/grpc+proto", Course::Grpc),
            ("application/grpcish", Course::Open),
            ("text/event-stream-of-mine", Course::Open),
            ("text/plain", Course::Open),
            ("", Course::Open),
        ] {
            assert_eq!(Course::of_type(media_type.as_bytes()), course, "{media_type}");
        }
    }

    #[test]
    fn a_length_is_known_from_the_body_or_the_head() {
        let body = || ScriptedBody::new([Step::data("one")]);
        let mut response = Response::new(body());
        assert_eq!(Course::of(&response), Course::Open);
        response.headers_mut().insert(CONTENT_LENGTH, 3.into());
        assert_eq!(Course::of(&response), Course::Known);
        assert_eq!(Course::of(&Response::new(body().exact_size())), Course::Known);
        assert_eq!(Course::of(&Response::new(ScriptedBody::empty())), Course::Known);
    }
}
