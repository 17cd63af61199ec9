//! The poll at the end of a wait.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use macadam_core::{RequestContext, context::WakeAsked};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// Asks the owner of the request's timer for a poll, or arms a timer of its own where nobody owns one.
    #[project = AlarmProj]
    pub(crate) enum Alarm {
        Unset,
        Asked { at: Instant, _asked: WakeAsked },
        Armed { #[pin] sleep: Sleep },
    }
}

impl Alarm {
    /// Ready if `at` is reached; else the task is polled then. It may be another instant at each poll.
    pub(crate) fn poll_at(
        mut self: Pin<&mut Self>,
        at: Instant,
        context: Option<&RequestContext>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        if !self.is_set_to(at) {
            // What was asked for is taken back first: the older demand would hide behind the newer one.
            self.set(Self::Unset);
            self.set(match context.and_then(|context| context.ask_wake(at)) {
                Some(asked) => Self::Asked { at, _asked: asked },
                None => Self::Armed { sleep: sleep_until(at) },
            });
        }
        match self.project() {
            AlarmProj::Armed { sleep } => sleep.poll(cx),
            _ => Poll::Pending,
        }
    }

    fn is_set_to(&self, at: Instant) -> bool {
        match self {
            Self::Unset => false,
            Self::Asked { at: set, .. } => *set == at,
            Self::Armed { sleep } => sleep.deadline() == at,
        }
    }
}
