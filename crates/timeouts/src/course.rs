//! How far a deadline reaches into a response's body, as the response itself says.

use http::{Response, header::CONTENT_LENGTH};
use http_body::Body;
use macadam_core::Streaming;

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
        match Streaming::of(headers) {
            Some(Streaming::Grpc) => Self::Grpc,
            // Of gRPC-Web too: its trailers are in its body.
            Some(_) => Self::Stream,
            None => Self::Open,
        }
    }
}

#[cfg(test)]
mod tests {
    use macadam_test::{ScriptedBody, Step};

    use super::*;

    #[test]
    fn streams_are_known_by_their_media_type() {
        for (media_type, course) in [
            ("text/event-stream", Course::Stream),
            ("application/grpc-web+proto", Course::Stream),
            ("application/grpc", Course::Grpc),
            ("text/plain", Course::Open),
        ] {
            let response = Response::builder().header("content-type", media_type);
            let response = response.body(ScriptedBody::new([Step::data("one")])).unwrap();
            assert_eq!(Course::of(&response), course, "{media_type}");
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
