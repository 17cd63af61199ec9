//! A handler that panics answers 500, and takes nobody along.
//!
//! tower-http's layer of this kind sees only the panic: its answer has neither the request's id nor its form, it boxes
//! every body, and a panic in a body goes past it. Needs `panic = "unwind"`, which is the default.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::BoxError;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use macadam_core::{Kind, Outcome, Rejection, RequestContext, ResponseBody, context::Id};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Makes a [`CatchPanic`] of a service.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CatchPanicLayer;

/// Answers 500 where the service inside panics: in its call, in its future, or in the body of its response.
#[derive(Clone, Debug)]
pub(crate) struct CatchPanic<S> {
    inner: S,
}

impl<S> Layer<S> for CatchPanicLayer {
    type Service = CatchPanic<S>;

    fn layer(&self, inner: S) -> Self::Service {
        CatchPanic { inner }
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for CatchPanic<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ResponseBody<PanicBody<ResB>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        let context = RequestContext::of(&mut request);
        // The service may be left in any state by a panic in its call. It is the application's to hold up, exactly as
        // if the panic had come from a future.
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(request))) {
            Ok(future) => ResponseFuture { inner: Some(future), panicked: None, context },
            Err(payload) => ResponseFuture { inner: None, panicked: Some(payload), context },
        }
    }
}

pin_project! {
    /// The response, or a 500.
    pub(crate) struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        panicked: Option<Box<dyn Any + Send>>,
        context: RequestContext,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<PanicBody<B>>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let payload = match this.inner.as_mut().as_pin_mut() {
            Some(inner) => match catch_unwind(AssertUnwindSafe(|| inner.poll(cx))) {
                Ok(answer) => {
                    let response = ready!(answer)?;
                    let context = this.context.clone();
                    let body = |body| ResponseBody::service(PanicBody { inner: Some(body), context });
                    return Poll::Ready(Ok(response.map(body)));
                }
                Err(payload) => payload,
            },
            None => this.panicked.take().expect("a response future is not polled after it is ready"),
        };
        // What the handler held is free before anybody sees the 500.
        this.inner.set(None);
        note(this.context, &*payload);
        let rejection = Rejection::new(Kind::Panicked);
        Poll::Ready(Ok(rejection.into_response(this.context.wire(), Some(this.context), None)))
    }
}

pin_project! {
    /// A body whose panic ends the response with an error, as any other failure does.
    pub(crate) struct PanicBody<B> {
        #[pin]
        inner: Option<B>,
        context: RequestContext,
    }
}

/// The body of the response panicked.
#[derive(Debug, thiserror::Error)]
#[error("the body of the response panicked")]
struct BodyPanicked;

impl<B> Body for PanicBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        match catch_unwind(AssertUnwindSafe(|| inner.poll_frame(cx))) {
            Ok(frame) => frame.map(|frame| frame.map(|frame| frame.map_err(Into::into))),
            Err(payload) => {
                // Said here, since a guard that is dropped later finds no thread that panics.
                this.inner.set(None);
                note(this.context, &*payload);
                Poll::Ready(Some(Err(BodyPanicked.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// The panic hook has told the process; this tells which request it was.
fn note(context: &RequestContext, payload: &(dyn Any + Send)) {
    context.settle(Outcome::Panicked);
    let message = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("not a text");
    // The message may quote the request: bounded, and escaped by `Debug`.
    let message: String = message.chars().take(200).collect();
    tracing::error!(
        request_id = context.request_id().as_ref().map(Id::as_str),
        http.route = context.route().map(macadam_core::Route::as_str),
        panic = ?message,
        "the handler panicked"
    );
}

#[cfg(test)]
mod tests {
    use macadam_test::contract;

    use super::CatchPanicLayer;

    #[tokio::test(start_paused = true)]
    async fn it_keeps_the_contract_of_a_layer() {
        contract::check(CatchPanicLayer).await;
    }
}
