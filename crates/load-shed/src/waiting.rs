//! A request in the queue.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::Request;
use macadam_core::{RequestContext, Stage};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::{
    alarm::Alarm,
    permit::{Permit, Ticket},
    policy::Policy,
    refusal::{Head, Reason, Refusal},
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
    head: Head,
    /// The end of the longest wait; `None` where it is beyond what an instant can say.
    patience: Option<Instant>,
    policy: Arc<Policy>,
}

pub(crate) enum Verdict<S, B> {
    Admitted { service: S, request: Request<B>, permit: Permit },
    Refused(Refusal),
}

impl<S, B> Waiting<S, B> {
    pub(crate) fn new(service: S, request: Request<B>, ticket: Ticket, policy: Arc<Policy>) -> Self {
        let head = Head::of(&request);
        if let Some(context) = &head.context {
            context.set_stage(Stage::Queued);
        }
        let patience = Instant::now().checked_add(policy.max_wait);
        let waiter = Waiter { service, request, ticket, head, patience, policy };
        Self { waiter: Some(waiter), alarm: Alarm::Unset }
    }

    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict<S, B>> {
        let mut this = self.project();
        let waiter = this.waiter.as_mut().expect("a future is not polled after it was ready");
        let permit = match Pin::new(&mut waiter.ticket).poll(cx) {
            // The slot may have come in time, and the executor too late: the handler would start after its deadline.
            Poll::Ready(permit) if waiter.is_expired() => {
                drop(permit);
                None
            }
            Poll::Ready(permit) => Some(permit),
            Poll::Pending => {
                let context = waiter.head.context.as_ref();
                let deadline = context.and_then(RequestContext::deadline);
                let until = waiter.patience.into_iter().chain(deadline).min();
                match until {
                    Some(until) if this.alarm.as_mut().poll_at(until, context, cx).is_ready() => None,
                    _ => return Poll::Pending,
                }
            }
        };
        this.alarm.set(Alarm::Unset);
        let waiter = this.waiter.take().expect("it was there a moment ago");
        Poll::Ready(waiter.verdict(permit))
    }
}

impl<S, B> Waiter<S, B> {
    fn is_expired(&self) -> bool {
        self.head.context.as_ref().is_some_and(|context| context.is_expired(Instant::now()))
    }

    fn verdict(self, permit: Option<Permit>) -> Verdict<S, B> {
        let expired = permit.is_none() && self.is_expired();
        let Self { service, request, head, policy, .. } = self;
        match permit {
            Some(permit) => Verdict::Admitted { service, request, permit },
            None => {
                let reason = if expired { Reason::Deadline } else { Reason::QueueWait };
                Verdict::Refused(Refusal::new(reason, head, policy))
            }
        }
    }
}
