//! A future, and then the body that it makes, inside a span.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tracing::{Span, span};

use crate::trace::{Entered, TraceContext};

/// What a request's code runs in: its span, and its place in its trace.
#[derive(Debug)]
pub(crate) struct Scope {
    span: Span,
    /// There but while it is the current one, and after the head, when the body has it.
    context: Option<TraceContext>,
}

impl Scope {
    #[inline]
    pub(crate) fn new(span: Span, context: TraceContext) -> Self {
        Self { span, context: Some(context) }
    }

    #[inline]
    pub(crate) fn enter(&mut self) -> (span::Entered<'_>, Entered<'_>) {
        (self.span.enter(), Entered::new(&mut self.context))
    }

    #[inline]
    fn take(&mut self) -> Self {
        Self { span: mem::replace(&mut self.span, Span::none()), context: self.context.take() }
    }
}

pin_project! {
    /// A service's future, or a response's body, that is polled and dropped inside the request's span.
    #[derive(Debug)]
    pub struct InSpan<T> {
        // Dropped as soon as it is over, since the span has been entered then: each time costs a subscriber as much as an event.
        #[pin]
        inner: Option<T>,
        scope: Scope,
    }

    impl<T> PinnedDrop for InSpan<T> {
        fn drop(this: Pin<&mut Self>) {
            // What is given up says its last words inside the span too.
            let mut this = this.project();
            if this.inner.is_some() {
                let _entered = this.scope.span.enter();
                this.inner.set(None);
            }
        }
    }
}

impl<T> InSpan<T> {
    pub(crate) fn new(inner: T, scope: Scope) -> Self {
        Self { inner: Some(inner), scope }
    }
}

impl<F, B, E> Future for InSpan<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<InSpan<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
        let response = {
            let _entered = this.scope.enter();
            let response = ready!(inner.poll(cx));
            this.inner.set(None);
            response?
        };
        let scope = this.scope.take();
        Poll::Ready(Ok(response.map(|body| InSpan::new(body, scope))))
    }
}

impl<B: Body> Body for InSpan<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let _entered = this.scope.enter();
        let frame = ready!(inner.as_mut().poll_frame(cx));
        if frame.is_none() || inner.is_end_stream() {
            this.inner.set(None);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
