//! A request in the queue.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use macadam_core::{RequestContext, Stage};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::{
    alarm::Alarm,
    permit::{Permit, Ticket},
    policy::Policy,
    reason::Reason,
    refusal::refuse,
};

pin_project! {
    /// Keeps a request, and the service that is ready for it, until there is a slot or no time left.
    pub(crate) struct Waiting<S, B> {
        waiter: Option<Waiter<S, B>>,
        #[pin]
        alarm: Alarm,
    }
}

// The order of the fields is the order of their drops: the request is freed before its slot goes to another.
struct Waiter<S, B> {
    service: S,
    request: Request<B>,
    ticket: Ticket,
    context: Option<RequestContext>,
    /// The end of the longest wait; `None` where it is beyond what an instant can say.
    patience: Option<Instant>,
    policy: Arc<Policy>,
}

pub(crate) enum Verdict<S, B> {
    Admitted { service: S, request: Request<B>, permit: Permit },
    Refused(Response<Bytes>),
}

impl<S, B> Waiting<S, B> {
    pub(crate) fn new(service: S, request: Request<B>, ticket: Ticket, policy: Arc<Policy>) -> Self {
        let context = RequestContext::get(&request).cloned();
        if let Some(context) = &context {
            context.set_stage(Stage::Queued);
        }
        let patience = policy.patience();
        let waiter = Waiter { service, request, ticket, context, patience, policy };
        Self { waiter: Some(waiter), alarm: Alarm::Unset }
    }

    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict<S, B>> {
        let mut this = self.project();
        let waiter = this.waiter.as_mut().expect("a future is not polled after it was ready");
        let settled = match Pin::new(&mut waiter.ticket).poll(cx) {
            // The slot may have come in time, and the executor too late: the handler would start after its deadline.
            Poll::Ready(Ok(permit)) if waiter.is_doomed() => {
                permit.give_back_unused();
                Err(Reason::Deadline)
            }
            Poll::Ready(settled) => settled,
            Poll::Pending => {
                let context = waiter.context.as_ref();
                let deadline = context.and_then(RequestContext::deadline);
                let until = waiter.patience.into_iter().chain(deadline).min();
                match until {
                    Some(until) if this.alarm.as_mut().poll_at(until, context, cx).is_ready() => {
                        Err(if waiter.is_expired() { Reason::Deadline } else { Reason::QueueWait })
                    }
                    _ => return Poll::Pending,
                }
            }
        };
        this.alarm.set(Alarm::Unset);
        let waiter = this.waiter.take().expect("it was there a moment ago");
        Poll::Ready(waiter.verdict(settled))
    }
}

impl<S, B> Waiter<S, B> {
    fn is_expired(&self) -> bool {
        self.context.as_ref().is_some_and(|context| context.is_expired(Instant::now()))
    }

    /// Whether the handler would run for an answer that comes too late.
    fn is_doomed(&self) -> bool {
        let least_run = self.policy.pulse.as_ref().map(|pulse| pulse.least_time(0)).unwrap_or_default();
        self.context.as_ref().is_some_and(|context| context.is_expired(Instant::now() + least_run))
    }

    fn verdict(self, settled: Result<Permit, Reason>) -> Verdict<S, B> {
        let Self { service, request, policy, .. } = self;
        match settled {
            Ok(permit) => Verdict::Admitted { service, request, permit },
            Err(reason) => Verdict::Refused(refuse(reason, request, &policy)),
        }
    }
}
