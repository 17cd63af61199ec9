//! The service: decides in `call`, on the figures of that instant.

use std::{
    fmt, mem,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use macadam_core::{GuardedBody, RequestContext, ResponseBody};
use tower_service::Service;

use crate::{
    future::ResponseFuture,
    judge::Judgement,
    mode::Mode,
    permit::{Admission, Permit},
    policy::Policy,
    reason::Reason,
};

/// Puts the gate of a [`LoadShedLayer`](crate::LoadShedLayer) in front of a service.
#[derive(Clone)]
pub struct LoadShed<S> {
    inner: S,
    policy: Arc<Policy>,
}

impl<S> LoadShed<S> {
    pub(crate) fn new(inner: S, policy: Arc<Policy>) -> Self {
        Self { inner, policy }
    }
}

impl<S, B, R> Service<Request<B>> for LoadShed<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Body,
{
    type Response = Response<ResponseBody<GuardedBody<R, Permit>>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    // A service that is not ready says nothing about load: it may wait for a lock, or for its turn on the executor.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let mode = self.policy.mode.get();
        if mode == Mode::Off {
            return ResponseFuture::admitted(&mut self.inner, request, Permit::nothing());
        }
        let judgement = match self.policy.judge.judge_unasked(&request) {
            Some(judgement) => judgement,
            None => {
                let judgement;
                (judgement, request) = self.policy.judge.judge(request);
                judgement
            }
        };
        let admission = match judgement {
            Judgement::Exempt(claim) => match Permit::exempt(&self.policy.gate) {
                Some(permit) => Admission::Admitted(permit),
                None => self.policy.ask(claim),
            },
            Judgement::Claims(claim) if mode == Mode::DryRun => {
                Admission::Admitted(self.policy.rehearse(claim, &request))
            }
            Judgement::Claims(claim) => self.policy.ask(claim),
        };
        match admission {
            Admission::Admitted(permit) => ResponseFuture::admitted(&mut self.inner, request, permit),
            Admission::Waiting(_) if self.policy.dooms(RequestContext::get(&request)) => {
                ResponseFuture::refused(Reason::Deadline, request, &self.policy)
            }
            Admission::Waiting(ticket) => {
                // The instance that is ready goes with the request; its clone has to become ready again.
                let clone = self.inner.clone();
                let readied = mem::replace(&mut self.inner, clone);
                ResponseFuture::waiting(readied, request, ticket, Arc::clone(&self.policy))
            }
            Admission::Refused(reason) => ResponseFuture::refused(reason, request, &self.policy),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for LoadShed<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadShed").field("inner", &self.inner).finish_non_exhaustive()
    }
}
