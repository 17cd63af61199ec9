//! Who watches over a request's deadline on behalf of one future, and then of its response's body, and by what.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use macadam_core::{
    RequestContext,
    context::{Lowered, TimerOwner},
};
use tokio::{
    task::coop,
    time::{Duration, Instant, Sleep, sleep_until},
};

use crate::{
    cause::TimeoutCause,
    course::Course,
    layer::Extras,
    nearest::{self, Listener, Listening},
    rehearsal::Rehearsal,
};

/// The timer itself is beside this one, so that this one is small enough to be handed on from the future to the body. It
/// is armed when the service is Pending for the first time, never for one that is ready at once.
#[derive(Debug)]
pub(crate) enum Watch {
    /// The request has no context: timeout and start are kept here.
    Alone { timeout: Duration, started: Option<Instant> },
    /// The first layer that met the context has the request's one timer, whoever lowers its deadline.
    Owner(TimerOwner),
    /// A layer outside has the timer, and this one lowered the deadline. The timer wakes this one too, which looks for
    /// itself.
    Lowered(Lowered),
    /// A layer outside has the timer, and answers.
    Nested(RequestContext),
    /// The deadline has ended with the head. Nobody else has the timer.
    Over(TimerOwner),
    /// Nobody is to notice it.
    Rehearsal(Box<Rehearsal>),
    /// Nothing is left to watch, or the layer outside does.
    Nothing,
}

impl Watch {
    /// Watches over a request without a context.
    pub(crate) fn alone(timeout: Duration) -> Self {
        Self::Alone { timeout, started: None }
    }

    /// Lowers the request's deadline to `timeout` after its arrival, and watches over it if nobody does.
    pub(crate) fn within(owned: Result<TimerOwner, RequestContext>, timeout: Duration) -> Self {
        match owned {
            // It bounds the whole request, so what it lowers outlives this future.
            Ok(timer) => {
                timer.lower_timeout(timeout);
                Self::Owner(timer)
            }
            Err(context) => Self::nested(context, timeout),
        }
    }

    /// Watches over a request that nobody is to hurry.
    #[cold]
    pub(crate) fn rehearsal(
        context: Option<RequestContext>,
        own: Duration,
        theirs: Option<Duration>,
        extras: &Option<Arc<Extras>>,
    ) -> Self {
        Self::Rehearsal(Box::new(Rehearsal::new(context, own, theirs, extras.clone())))
    }

    fn nested(context: RequestContext, timeout: Duration) -> Self {
        match context.lower_timeout(timeout) {
            Some(lowered) => Self::Lowered(lowered),
            None => Self::Nested(context),
        }
    }

    /// Moves the request's deadline to `timeout` after its arrival, and watches over it if nobody does.
    pub(crate) fn moving(context: &RequestContext, timeout: Duration, watched: bool) -> Self {
        context.set_timeout((timeout < Duration::MAX).then_some(timeout));
        let timer = if watched { None } else { context.own_timer() };
        timer.map_or_else(|| Self::Nested(context.clone()), Self::Owner)
    }

    pub(crate) fn context(&self) -> Option<&RequestContext> {
        match self {
            Self::Owner(timer) | Self::Over(timer) => Some(timer.context()),
            Self::Lowered(lowered) => Some(lowered.context()),
            Self::Nested(context) => Some(context),
            Self::Alone { .. } | Self::Rehearsal(_) | Self::Nothing => None,
        }
    }

    /// Whether the deadline of the request's context has passed at `now`, whoever watches it.
    pub(crate) fn is_late(&self, now: Instant) -> bool {
        self.context().is_some_and(|context| context.is_expired(now))
    }

    /// Whose deadline it is that passes before the head.
    pub(crate) fn cause(&self) -> TimeoutCause {
        let inherited = self.context().and_then(RequestContext::inherited_deadline);
        let is_inherited =
            inherited.is_some() && inherited == self.context().and_then(RequestContext::expires_at);
        if is_inherited { TimeoutCause::Inherited } else { TimeoutCause::Deadline }
    }

    /// How long the request has taken until `now`, and how long it was allowed to.
    pub(crate) fn spent(&self, now: Instant) -> (Duration, Duration) {
        let (since, until) = match self {
            Self::Alone { timeout, started } => {
                return (now.saturating_duration_since(started.unwrap_or(now)), *timeout);
            }
            _ => self.context().map_or((now, None), |context| (context.arrival(), context.expires_at())),
        };
        let budget = until.map_or(Duration::MAX, |until| until.saturating_duration_since(since));
        (now.saturating_duration_since(since), budget)
    }

    /// Lets a piece of the service, which runs while this is held, move the timeout.
    #[inline]
    pub(crate) fn listening(&mut self) -> Option<Listening<'_>> {
        match self {
            Self::Alone { timeout, .. } => Some(nearest::listen(timeout, Listener::Alone)),
            Self::Rehearsal(rehearsal) => Some(nearest::listen(rehearsal.timeout(), Listener::Rehearsal)),
            _ => None,
        }
    }

    /// What is left to watch once the head of such a response is there.
    #[inline]
    pub(crate) fn after_head(self, course: Course) -> Self {
        match (self, course) {
            (Self::Rehearsal(rehearsal), course) => {
                rehearsal.after_head(course).map_or(Self::Nothing, Self::Rehearsal)
            }
            (watch, Course::Open) => watch,
            (Self::Owner(timer), Course::Known) => Self::Over(timer),
            (Self::Owner(timer), Course::Stream | Course::Grpc) => {
                // Gone from the context too: nobody inside is to hurry for it. A caller's stays.
                timer.context().set_deadline(None);
                Self::Owner(timer)
            }
            (Self::Lowered(lowered), _) => Self::Nested(lowered.context().clone()),
            (Self::Alone { .. }, _) => Self::alone(Duration::MAX),
            (watch @ (Self::Nested(_) | Self::Over(_) | Self::Nothing), _) => watch,
        }
    }

    /// Whether there is a deadline that this one would see pass.
    #[inline]
    pub(crate) fn is_running(&self) -> bool {
        match self {
            Self::Owner(_) | Self::Lowered(_) | Self::Rehearsal(_) => true,
            Self::Alone { timeout, .. } => *timeout < Duration::MAX,
            Self::Nested(_) | Self::Over(_) | Self::Nothing => false,
        }
    }

    /// Whether the deadline that this one watches has passed at `now`.
    pub(crate) fn is_expired(&mut self, now: Instant) -> bool {
        match self {
            Self::Owner(timer) => timer.context().is_expired(now),
            Self::Lowered(lowered) => lowered.context().is_expired(now),
            Self::Alone { timeout, started } => {
                started.get_or_insert(now).checked_add(*timeout).is_some_and(|at| now >= at)
            }
            Self::Nested(_) | Self::Over(_) | Self::Rehearsal(_) | Self::Nothing => false,
        }
    }

    /// When the timer is to fire next, after which [`fired`](Self::fired) is to be asked.
    pub(crate) fn park(&mut self, cx: &Context<'_>) -> Option<Instant> {
        match self {
            Self::Owner(timer) => timer.park(cx),
            Self::Alone { timeout, started } => {
                started.get_or_insert_with(Instant::now).checked_add(*timeout)
            }
            Self::Lowered(_) | Self::Nested(_) | Self::Over(_) | Self::Rehearsal(_) | Self::Nothing => None,
        }
    }

    /// The timer has fired that was armed for `at`: whether the deadline has passed. If not, what is inside has to be polled
    /// once more: somebody there asked for it, or the deadline was moved just now.
    pub(crate) fn fired(&mut self, at: Instant) -> bool {
        match self {
            Self::Owner(timer) => timer.fired(at),
            watch => watch.is_expired(at),
        }
    }

    /// Ready when the deadline has passed. To be polled after the service, which wins where both are ready.
    pub(crate) fn poll_expired(&mut self, sleep: Pin<&mut Option<Sleep>>, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Lowered(lowered) = self {
            let is_expired = lowered.context().is_expired(Instant::now());
            return if is_expired { Poll::Ready(()) } else { Poll::Pending };
        }
        let Some(at) = self.park(cx) else { return Poll::Pending };
        ready!(poll_timer(sleep, at, cx));
        if self.fired(at) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
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
