//! The clocks that run beside a response's body.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use macadam_core::{
    RequestContext,
    context::{Lowered, TimerOwner},
};
use tokio::time::{Duration, Instant};

use crate::{alarm::Alarm, course::Course, elapsed::Elapsed, layer::Extras, watch::Watch};

/// What is left to watch of a request whose head is out.
///
/// Two clocks, and one timer for both. The *deadline* goes on as it was, whether the body is polled or not. The *idle*
/// clock runs from a poll that found no frame to the next frame: while nobody asks for one it is off.
///
/// A frame that is ready moves no timer. But a body whose every frame is ready never comes to wait, so now and then the
/// clock is read as a frame goes by: at the second since the last wait, the fourth and so on up to [`LOOK`], then at
/// every one of that many. Hence a body that is always ready has gone on for twice its time at most when it is cut, or
/// for `LOOK` frames too many, whichever is more.
#[derive(Debug)]
pub(crate) struct Clocks {
    keeper: Keeper,
    course: Course,
    /// How many frames to the next look, and from that to the one after it.
    next_looks: (u8, u8),
    /// When the idle clock, which runs, will have run out.
    idle_due: Option<Instant>,
    alarm: Alarm,
    extras: Option<Arc<Extras>>,
}

/// Who keeps the deadline.
#[derive(Debug)]
pub(crate) enum Keeper {
    /// This body: it has the request's one timer.
    Owner(TimerOwner),
    /// A layer outside, which wakes this body too; it looks for itself if its layer lowered the deadline.
    Outside { context: RequestContext, lowered: Option<Lowered> },
    /// This body, of a request without a context.
    Alone { started: Option<Instant>, timeout: Duration },
    /// Nobody: it is over.
    Nobody(TimerOwner),
}

impl Clocks {
    /// What is left to watch; `None` where that is nothing.
    #[inline]
    pub(crate) fn after_head(
        mut watch: Pin<&mut Watch>,
        course: Course,
        extras: Option<Arc<Extras>>,
    ) -> Option<Self> {
        let idle = extras.as_deref().and_then(|extras| extras.idle(course));
        if course == Course::Known && idle.is_none() {
            watch.set(Watch::Nothing);
            return None;
        }
        let keeper = match (watch.hand_on()?, course) {
            (Keeper::Outside { lowered: None, .. }, _) if idle.is_none() => return None,
            (Keeper::Owner(timer), Course::Known) => Keeper::Nobody(timer),
            // Gone from the context too: nobody inside is to hurry for it. A caller's stays.
            (Keeper::Owner(timer), Course::Stream | Course::Grpc) => {
                timer.context().set_deadline(None);
                Keeper::Owner(timer)
            }
            (Keeper::Outside { context, .. }, Course::Known | Course::Stream | Course::Grpc) => {
                Keeper::Outside { context, lowered: None }
            }
            (Keeper::Alone { .. }, Course::Known | Course::Stream | Course::Grpc) if idle.is_none() => {
                return None;
            }
            (Keeper::Alone { .. }, Course::Known | Course::Stream | Course::Grpc) => {
                Keeper::Alone { started: None, timeout: Duration::MAX }
            }
            (keeper, _) => keeper,
        };
        Some(Self { keeper, course, next_looks: FIRST_LOOKS, idle_due: None, alarm: Alarm::new(), extras })
    }

    pub(crate) fn context(&self) -> Option<&RequestContext> {
        match &self.keeper {
            Keeper::Owner(timer) | Keeper::Nobody(timer) => Some(timer.context()),
            Keeper::Outside { context, .. } => Some(context),
            Keeper::Alone { .. } => None,
        }
    }

    pub(crate) fn course(&self) -> Course {
        self.course
    }

    pub(crate) fn count(&self, elapsed: Elapsed) {
        if let Some(extras) = &self.extras {
            extras.handle.count_cut(elapsed);
        }
    }

    /// A frame goes by that is not the last; whether it is late.
    #[inline]
    pub(crate) fn is_late(&mut self) -> bool {
        self.idle_due = None;
        self.next_looks.0 -= 1;
        self.next_looks.0 == 0 && self.is_over()
    }

    #[cold]
    fn is_over(&mut self) -> bool {
        let (_, next) = self.next_looks;
        self.next_looks = (next, (2 * next).min(LOOK));
        match &mut self.keeper {
            Keeper::Owner(timer) => timer.context().is_expired(Instant::now()),
            Keeper::Outside { context, lowered: Some(_) } => context.is_expired(Instant::now()),
            Keeper::Alone { started, timeout } => {
                let now = Instant::now();
                started.get_or_insert(now).checked_add(*timeout).is_some_and(|at| now >= at)
            }
            Keeper::Outside { lowered: None, .. } | Keeper::Nobody(_) => false,
        }
    }

    /// No frame is ready. Ready itself when one of the clocks has run out.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        self.next_looks = FIRST_LOOKS;
        let idle = self.extras.as_deref().and_then(|extras| extras.idle(self.course));
        if let (Some(idle), None) = (idle, self.idle_due) {
            self.idle_due = Instant::now().checked_add(idle);
        }
        if let Keeper::Nobody(timer) = &self.keeper {
            // It must not seem to be there for whoever asks it for a poll.
            self.keeper = Keeper::Outside { context: timer.context().clone(), lowered: None };
        }
        let deadline = match &mut self.keeper {
            Keeper::Owner(timer) => timer.park(cx),
            Keeper::Outside { context, lowered: Some(_) } if context.is_expired(Instant::now()) => {
                return Poll::Ready(Elapsed::ResponseDeadline);
            }
            Keeper::Alone { started, timeout } => {
                started.get_or_insert_with(Instant::now).checked_add(*timeout)
            }
            Keeper::Outside { .. } | Keeper::Nobody(_) => None,
        };
        let Some(due) = [deadline, self.idle_due].into_iter().flatten().min() else { return Poll::Pending };
        ready!(self.alarm.poll(cx, due));
        let is_over = match &mut self.keeper {
            Keeper::Owner(timer) => timer.fired(due),
            Keeper::Alone { .. } => deadline == Some(due),
            Keeper::Outside { .. } | Keeper::Nobody(_) => false,
        };
        match idle {
            _ if is_over => Poll::Ready(Elapsed::ResponseDeadline),
            Some(idle) if self.idle_due == Some(due) => Poll::Ready(Elapsed::ResponseIdle(idle)),
            // Somebody inside asked for this poll, or the deadline was moved just now.
            _ => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// In frames. The clock is some 25 ns, so this is less than one a frame.
const LOOK: u8 = 32;
/// The first frame after a wait was waited for, and the timer has been looked at.
const FIRST_LOOKS: (u8, u8) = (2, 2);
