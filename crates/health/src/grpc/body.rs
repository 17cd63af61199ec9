//! The body of an answer: a message, or a stream of them.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use macadam_core::Phase;
use tokio::sync::OwnedSemaphorePermit;

use super::{
    GrpcHealth,
    service::trailers,
    wire::{self, Code, Serving},
};

/// The body of an answer of the health service.
pub struct GrpcHealthBody(Kind);

enum Kind {
    /// Nothing follows.
    Ended,
    Message(Bytes),
    Trailers,
    Watch(Box<Watch>),
}

impl GrpcHealthBody {
    pub(super) fn empty() -> Self {
        Self(Kind::Ended)
    }

    pub(super) fn message(message: Bytes) -> Self {
        Self(Kind::Message(message))
    }

    pub(super) fn watch(watch: Watch) -> Self {
        Self(Kind::Watch(Box::new(watch)))
    }
}

impl Body for GrpcHealthBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = match &mut self.0 {
            Kind::Ended => return Poll::Ready(None),
            Kind::Message(message) => {
                let message = std::mem::take(message);
                self.0 = Kind::Trailers;
                Frame::data(message)
            }
            Kind::Trailers => {
                self.0 = Kind::Ended;
                Frame::trailers(trailers(Code::Ok, ""))
            }
            Kind::Watch(watch) => match ready!(watch.poll_next(cx)) {
                Some(serving) => Frame::data(wire::status(serving)),
                None => {
                    self.0 = Kind::Ended;
                    Frame::trailers(trailers(Code::Unavailable, "the server is going away"))
                }
            },
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Ended)
    }
}

impl fmt::Debug for GrpcHealthBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrpcHealthBody").finish_non_exhaustive()
    }
}

/// Tells of a service, now and whenever it is another story.
pub(super) struct Watch {
    grpc: GrpcHealth,
    service: String,
    told: Option<Serving>,
    news: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    _place: OwnedSemaphorePermit,
}

impl Watch {
    pub(super) fn new(grpc: GrpcHealth, service: String, place: OwnedSemaphorePermit) -> Self {
        Self { grpc, service, told: None, news: None, _place: place }
    }

    /// What to tell next; nothing when nobody accepts any more.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Serving>> {
        loop {
            if let Some(news) = &mut self.news {
                ready!(news.as_mut().poll(cx));
            }
            let health = self.grpc.health();
            // Before the look, so that what changes meanwhile is news.
            let seen = health.version();
            let (serving, leaving) = self.grpc.serving(&self.service).unwrap_or((Serving::Unknown, false));
            if self.told != Some(serving) {
                self.told = Some(serving);
                self.news = None;
                if leaving {
                    health.reach().note_probe();
                }
                return Poll::Ready(Some(serving));
            }
            if health.reach().phase() >= Some(Phase::Draining) {
                return Poll::Ready(None);
            }
            let health = health.clone();
            self.news = Some(Box::pin(async move {
                health.changed(seen).await;
            }));
        }
    }
}
