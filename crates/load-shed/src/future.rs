//! The future of a request at the gate: through, waiting or refused.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use macadam_core::{BodyRule, GuardedBody, GuardedFuture, RequestContext, ResponseBody, Stage};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::{
    permit::{Permit, Ticket},
    policy::Policy,
    reason::Reason,
    refusal::refuse,
    upload::Upload,
    waiting::{Verdict, Waiting},
};

pin_project! {
    /// Response future of [`LoadShed`](crate::LoadShed).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it gives back its slot, or its place in the queue, at once.
    ///
    /// # Panics
    ///
    /// If it has to wait outside a tokio runtime with a timer, and no outer layer owns the request's timer.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        Admitted { #[pin] future: GuardedFuture<S::Future, Permit>, upload: Option<Upload> },
        // Boxed, since it carries a request, a service and a timer: what is admitted at once should not be as large.
        Waiting { waiting: Pin<Box<Waiting<S, B>>> },
        Refused { response: Option<Response<Bytes>> },
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn admitted(service: &mut S, request: Request<B>, mut permit: Permit) -> Self {
        if let Some(context) = RequestContext::get(&request) {
            context.set_stage(Stage::Handling);
        }
        let rule = BodyRule::of(request.method());
        let upload = Upload::of(&request);
        permit.on(&request);
        let future = GuardedFuture::new(service.call(request), rule, permit);
        Self { state: State::Admitted { future, upload } }
    }

    pub(crate) fn waiting(readied: S, request: Request<B>, ticket: Ticket, policy: Arc<Policy>) -> Self {
        let waiting = Box::pin(Waiting::new(readied, request, ticket, policy));
        Self { state: State::Waiting { waiting } }
    }

    pub(crate) fn refused(reason: Reason, request: Request<B>, policy: &Policy) -> Self {
        let response = refuse(reason, request, policy);
        Self { state: State::Refused { response: Some(response) } }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body,
{
    type Output = Result<Response<ResponseBody<GuardedBody<R, Permit>>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let mut state = self.as_mut().project().state;
            let verdict = match state.as_mut().project() {
                StateProj::Admitted { mut future, upload } => {
                    if let Poll::Ready(answer) = future.as_mut().poll_map(cx, ResponseBody::service) {
                        return Poll::Ready(answer);
                    }
                    // Where there is no room among the streams, it is asked for again with the next piece.
                    let waits = upload.as_mut().is_some_and(|upload| upload.poll(cx).is_ready());
                    if waits && future.guard_mut().is_none_or(Permit::upload) {
                        *upload = None;
                    }
                    return Poll::Pending;
                }
                StateProj::Waiting { waiting } => ready!(waiting.as_mut().poll(cx)),
                StateProj::Refused { response } => {
                    Verdict::Refused(response.take().expect("a future is not polled after it was ready"))
                }
            };
            match verdict {
                Verdict::Admitted { mut service, request, permit } => {
                    state.set(Self::admitted(&mut service, request, permit).state);
                }
                Verdict::Refused(response) => return Poll::Ready(Ok(response.map(ResponseBody::document))),
            }
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Admitted { .. } => "admitted",
            State::Waiting { .. } => "waiting",
            State::Refused { .. } => "refused",
        };
        f.debug_struct("ResponseFuture").field("state", &state).finish_non_exhaustive()
    }
}
