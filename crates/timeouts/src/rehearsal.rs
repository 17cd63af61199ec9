//! A dry run: what would have timed out is found when it is over.

use std::sync::Arc;

use macadam_core::RequestContext;
use tokio::time::{Duration, Instant};

use crate::{
    cause::{TimeoutCause, TimeoutEvent},
    course::Course,
    layer::Extras,
};

/// Watches over a request without a timer. It looks how long that took when the head is there, when a silent body goes
/// on, and when it is dropped: then the response has ended, or its client has gone.
///
/// It tells once: whoever would have been cut would not have come to the next clock.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    own: Duration,
    theirs: Option<Duration>,
    began: Instant,
    is_after_head: bool,
    /// Since when the body is waited for, and for how long it may be.
    silence: Option<(Instant, Duration)>,
    has_told: bool,
    context: Option<RequestContext>,
    extras: Option<Arc<Extras>>,
}

impl Rehearsal {
    pub(crate) fn new(
        context: Option<RequestContext>,
        own: Duration,
        theirs: Option<Duration>,
        extras: Option<Arc<Extras>>,
    ) -> Self {
        let now = Instant::now();
        let began = context.as_ref().map_or(now, RequestContext::arrival);
        // Nothing is left of one that has passed in a queue.
        let left =
            |theirs| if now.saturating_duration_since(began) < theirs { theirs } else { Duration::ZERO };
        Self {
            own,
            theirs: theirs.map(left),
            began,
            is_after_head: false,
            silence: None,
            has_told: false,
            context,
            extras,
        }
    }

    /// A route may move it.
    pub(crate) fn timeout(&mut self) -> &mut Duration {
        &mut self.own
    }

    /// The head of such a response is there; what goes on after it.
    pub(crate) fn after_head(mut self: Box<Self>, course: Course) -> Option<Box<Self>> {
        self.look();
        self.is_after_head = true;
        match course {
            Course::Open => {}
            Course::Stream | Course::Grpc => self.own = Duration::MAX,
            Course::Known => (self.own, self.theirs) = (Duration::MAX, None),
        }
        (!self.has_told).then_some(self)
    }

    /// The body has no frame, and may be silent for so long.
    pub(crate) fn falls_silent(&mut self, idle: Option<Duration>) {
        if self.silence.is_none() {
            self.silence = idle.map(|idle| (Instant::now(), idle));
        }
    }

    /// The body has a frame.
    pub(crate) fn goes_on(&mut self) {
        // How long the whole of it takes is known when it has ended.
        if self.silence.is_some_and(|(since, idle)| since.elapsed() > idle) {
            self.look();
        }
        self.silence = None;
    }

    fn look(&mut self) {
        if self.has_told {
            return;
        }
        let now = Instant::now();
        let elapsed = now.saturating_duration_since(self.began);
        let waited = self.context.as_ref().map_or(Duration::ZERO, RequestContext::stood_still);
        let own = self.own.saturating_add(waited);
        let (budget, cause) = match self.theirs {
            Some(theirs) if theirs < own => (theirs, TimeoutCause::Inherited),
            _ => (own, TimeoutCause::Deadline),
        };
        let silence = self.silence.map(|(since, idle)| (now.saturating_duration_since(since), idle));
        let (cause, elapsed, budget) = match silence {
            // A zero timeout refuses whatever comes. Any other lets pass what is ready at its very tick.
            _ if self.own.is_zero() || self.theirs == Some(Duration::ZERO) => {
                (TimeoutCause::OnArrival, elapsed, budget)
            }
            _ if elapsed > budget && self.is_after_head => (TimeoutCause::ResponseDeadline, elapsed, budget),
            _ if elapsed > budget => (cause, elapsed, budget),
            Some((silence, idle)) if silence > idle => (TimeoutCause::ResponseIdle, silence, idle),
            _ => return,
        };
        self.has_told = true;
        let event = TimeoutEvent { cause, elapsed, budget, context: self.context.as_ref() };
        Extras::tell(self.extras.as_deref(), &event, true);
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.look();
    }
}
