//! Who watches over a request's deadline on behalf of one future, and by what.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use macadam_core::{
    RequestContext, Wire,
    context::{Lowered, TimerOwner},
};
use pin_project_lite::pin_project;
use tokio::{
    task::coop,
    time::{Duration, Instant, Sleep, sleep_until},
};

use crate::{clocks::Keeper, nearest};

pin_project! {
    /// A timer is armed when the service is Pending for the first time, never for one that is ready at once.
    #[project = Project]
    #[project_replace = Taken]
    #[derive(Debug)]
    pub(crate) enum Watch {
        /// The request has no context: timeout, start and timer are the future's own.
        Alone { wire: Wire, timeout: Duration, started: Option<Instant>, #[pin] sleep: Option<Sleep> },
        /// The first layer that met the context has the request's one timer, whoever lowers its deadline.
        Owner { timer: TimerOwner, #[pin] sleep: Option<Sleep> },
        /// A layer outside has the timer. It wakes this one too, which looks for itself if it lowered the deadline.
        Nested { context: RequestContext, lowered: Option<Lowered> },
        /// Nothing is left to watch, or the layer outside does.
        Nothing,
    }
}

impl Watch {
    /// Watches over a request without a context; and whether its time is over already.
    #[inline]
    pub(crate) fn alone(wire: Wire, timeout: Duration) -> (Self, bool) {
        (Self::Alone { wire, timeout, started: None, sleep: None }, timeout.is_zero())
    }

    /// Lowers the request's deadline to `timeout` after its arrival, and watches over it if nobody does; and whether
    /// it has passed already.
    #[inline]
    pub(crate) fn within(context: &RequestContext, timeout: Duration) -> (Self, bool) {
        // A deadline that nobody knew before us can have passed only if it is the arrival itself. Any other was there
        // for others to wait by, so the clock is read.
        let known = context.deadline().is_some();
        let at = context.arrival().checked_add(timeout);
        let watch = match context.own_timer() {
            // It bounds the whole request, so what it lowers outlives this future.
            Some(timer) => {
                if let Some(at) = at {
                    timer.lower_deadline(at);
                }
                Self::Owner { timer, sleep: None }
            }
            None => {
                let lowered = at.and_then(|at| context.lower_deadline(at));
                Self::Nested { context: context.clone(), lowered }
            }
        };
        let late = if known { context.is_expired(Instant::now()) } else { timeout.is_zero() };
        (watch, late)
    }

    /// Moves the request's deadline to `timeout` after its arrival, and watches over it if nobody does; and whether
    /// it has passed already.
    pub(crate) fn moving(context: &RequestContext, timeout: Duration, watched: bool) -> (Self, bool) {
        context.set_timeout((timeout < Duration::MAX).then_some(timeout));
        let timer = if watched { None } else { context.own_timer() };
        let watch = match timer {
            Some(timer) => Self::Owner { timer, sleep: None },
            None => Self::Nested { context: context.clone(), lowered: None },
        };
        (watch, context.is_expired(Instant::now()))
    }

    pub(crate) fn context(&self) -> Option<&RequestContext> {
        match self {
            Self::Owner { timer, .. } => Some(timer.context()),
            Self::Nested { context, .. } => Some(context),
            Self::Alone { .. } | Self::Nothing => None,
        }
    }

    pub(crate) fn wire(&self) -> Option<&Wire> {
        match self {
            Self::Alone { wire, .. } => Some(wire),
            _ => self.context().map(RequestContext::wire),
        }
    }

    /// Runs a piece of the service, which may move the timeout.
    pub(crate) fn inside<T>(&mut self, service: impl FnOnce() -> T) -> T {
        match self {
            Self::Alone { timeout, .. } => nearest::listen(timeout, service),
            _ => service(),
        }
    }

    /// As [`inside`](Self::inside).
    pub(crate) fn inside_pinned<T>(self: Pin<&mut Self>, service: impl FnOnce() -> T) -> T {
        match self.project() {
            Project::Alone { timeout, .. } => nearest::listen(timeout, service),
            _ => service(),
        }
    }

    /// The head is there: hands what is left to watch on to the response's body. The timer stays behind, since it was
    /// pinned here.
    #[inline]
    pub(crate) fn hand_on(self: Pin<&mut Self>) -> Option<Keeper> {
        match self.project_replace(Self::Nothing) {
            Taken::Alone { timeout, started, .. } => Some(Keeper::Alone { started, timeout }),
            Taken::Owner { timer, .. } => Some(Keeper::Owner(timer)),
            Taken::Nested { context, lowered } => Some(Keeper::Outside { context, lowered }),
            Taken::Nothing => None,
        }
    }

    /// Ready when the deadline has passed. To be polled after the service, which wins where both are ready.
    pub(crate) fn poll_expired(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project() {
            Project::Alone { timeout, started, sleep, .. } => {
                let started = *started.get_or_insert_with(Instant::now);
                match started.checked_add(*timeout) {
                    Some(at) => poll_timer(sleep, at, cx),
                    None => Poll::Pending,
                }
            }
            Project::Owner { timer, sleep } => {
                let Some(at) = timer.park(cx) else { return Poll::Pending };
                ready!(poll_timer(sleep, at, cx));
                if timer.fired(at) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Project::Nested { context, lowered: Some(_) } if context.is_expired(Instant::now()) => {
                Poll::Ready(())
            }
            Project::Nested { .. } | Project::Nothing => Poll::Pending,
        }
    }
}

/// Arms or moves the timer, and polls it outside the task's budget: a service that uses that up would never be found
/// late.
fn poll_timer(mut sleep: Pin<&mut Option<Sleep>>, at: Instant, cx: &mut Context<'_>) -> Poll<()> {
    match sleep.as_mut().as_pin_mut() {
        None => sleep.set(Some(sleep_until(at))),
        Some(armed) if armed.deadline() != at => armed.reset(at),
        Some(_) => {}
    }
    match sleep.as_pin_mut() {
        Some(sleep) => Pin::new(&mut coop::unconstrained(sleep)).poll(cx),
        None => Poll::Pending,
    }
}
