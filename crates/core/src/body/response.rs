//! The body of a layer's response: the service's, or a document of the layer's own.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

pin_project! {
    /// The service's body, or the few bytes that a layer answers itself: a rejection's, a probe's.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Service { #[pin] body: B },
        Document { document: Bytes },
    }
}

impl<B> ResponseBody<B> {
    /// The service's own body.
    pub fn service(body: B) -> Self {
        Self { kind: Kind::Service { body } }
    }

    /// A document of the layer's own.
    pub fn document(document: Bytes) -> Self {
        Self { kind: Kind::Document { document } }
    }
}

impl<B: Body<Data = Bytes>> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match self.project().kind.project() {
            KindProj::Service { body } => body.poll_frame(cx),
            KindProj::Document { document } if document.is_empty() => Poll::Ready(None),
            KindProj::Document { document } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(document))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Service { body } => body.is_end_stream(),
            Kind::Document { document } => document.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Service { body } => body.size_hint(),
            Kind::Document { document } => SizeHint::with_exact(document.len() as u64),
        }
    }
}
