//! The clocks that run beside a response's body.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, ready},
};

use macadam_core::Outcome;
use tokio::time::{Duration, Instant};

use crate::{
    alarm::Alarm,
    cause::{TimeoutCause, TimeoutEvent},
    course::Course,
    layer::Extras,
    watch::Watch,
};

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
    watch: Watch,
    course: Course,
    /// How many frames to the next look, and from that to the one after it.
    next_looks: (u8, u8),
    /// When the idle clock, which runs, will have run out.
    idle_due: Option<Instant>,
    alarm: Alarm,
    extras: Option<Arc<Extras>>,
}

impl Clocks {
    /// Takes over what is left to watch; `None` where that is nothing. The head's timer stays behind, since it was
    /// pinned there.
    #[inline]
    pub(crate) fn after_head(watch: &mut Watch, course: Course, extras: Option<Arc<Extras>>) -> Option<Self> {
        let idle = extras.as_deref().and_then(|extras| extras.idle(course));
        if course == Course::Known && idle.is_none() {
            *watch = Watch::Nothing;
            return None;
        }
        Self::going_on(watch, course, idle, extras)
    }

    /// Not inlined: of most bodies the length is known, and nothing is left to watch.
    #[inline(never)]
    fn going_on(
        watch: &mut Watch,
        course: Course,
        idle: Option<Duration>,
        extras: Option<Arc<Extras>>,
    ) -> Option<Self> {
        let watch = mem::replace(watch, Watch::Nothing).after_head(course);
        if !watch.is_running() && (idle.is_none() || matches!(watch, Watch::Nothing)) {
            return None;
        }
        Some(Self { watch, course, next_looks: FIRST_LOOKS, idle_due: None, alarm: Alarm::new(), extras })
    }

    pub(crate) fn course(&self) -> Course {
        self.course
    }

    /// The body is cut.
    #[cold]
    pub(crate) fn tell(&self, cause: TimeoutCause) {
        let context = self.watch.context();
        if let Some(context) = context {
            context.settle(Outcome::TimedOut);
        }
        let now = Instant::now();
        let (elapsed, budget) = match (cause, self.idle_due, self.idle()) {
            (TimeoutCause::ResponseIdle, Some(due), Some(idle)) => {
                (now.saturating_duration_since(due).saturating_add(idle), idle)
            }
            _ => self.watch.spent(now),
        };
        Extras::tell(self.extras.as_deref(), &TimeoutEvent { cause, elapsed, budget, context }, false);
    }

    /// The body is about to be polled; whether a frame that is ready then is to be shown to [`is_late`](Self::is_late).
    #[inline]
    pub(crate) fn is_to_look(&mut self) -> bool {
        self.next_looks.0 -= 1;
        self.next_looks.0 == 0 || self.idle_due.is_some()
    }

    /// Such a frame goes by, and is not the last; whether it is late.
    pub(crate) fn is_late(&mut self) -> bool {
        if self.idle_due.take().is_some() {
            self.goes_on();
        }
        self.next_looks.0 == 0 && self.is_over()
    }

    fn goes_on(&mut self) {
        if let Watch::Rehearsal(rehearsal) = &mut self.watch {
            rehearsal.goes_on();
        }
    }

    fn is_over(&mut self) -> bool {
        let (_, next) = self.next_looks;
        self.next_looks = (next, (2 * next).min(LOOK));
        self.watch.is_running() && self.watch.is_expired(Instant::now())
    }

    /// No frame is ready. Ready itself when one of the clocks has run out.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<TimeoutCause> {
        self.next_looks = FIRST_LOOKS;
        let idle = self.idle();
        if let (Some(idle), None) = (idle, self.idle_due) {
            self.idle_due = Instant::now().checked_add(idle);
        }
        match &mut self.watch {
            Watch::Rehearsal(rehearsal) => {
                rehearsal.falls_silent(idle);
                return Poll::Pending;
            }
            Watch::Lowered(lowered) if lowered.context().is_expired(Instant::now()) => {
                return Poll::Ready(TimeoutCause::ResponseDeadline);
            }
            // It must not seem to be there for whoever asks it for a poll.
            Watch::Over(timer) => self.watch = Watch::Nested(timer.context().clone()),
            _ => {}
        }
        let deadline = self.watch.park(cx);
        let Some(due) = [deadline, self.idle_due].into_iter().flatten().min() else { return Poll::Pending };
        ready!(self.alarm.poll(cx, due));
        if self.watch.fired(due) {
            Poll::Ready(TimeoutCause::ResponseDeadline)
        } else if self.idle_due == Some(due) {
            Poll::Ready(TimeoutCause::ResponseIdle)
        } else {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }

    fn idle(&self) -> Option<Duration> {
        self.extras.as_deref().and_then(|extras| extras.idle(self.course))
    }
}

/// In frames. The clock is some 25 ns, so this is less than one a frame.
const LOOK: u8 = 32;
/// The first frame after a wait was waited for, and the timer has been looked at.
const FIRST_LOOKS: (u8, u8) = (2, 2);
