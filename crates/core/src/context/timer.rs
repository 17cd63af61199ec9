//! The one timer of a request: who arms it, and who asks for a poll by it.

use std::task::Context;

use tokio::time::{Duration, Instant};

use super::{
    RequestContext,
    clock::{NEVER, UNMOVED, nanos},
};
use crate::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

/// # Timer
impl RequestContext {
    /// When the owner of the timer must poll next: at the deadline, unless that stands still, or earlier if an inner
    /// layer [asked](Self::ask_wake) for it.
    pub fn wake_at(&self) -> Option<Instant> {
        let clock = &self.shared.clock;
        clock.instant(clock.wake_at(clock.due(), 0))
    }

    /// Makes the caller the owner of the request's one timer, or `None` if it has an owner already.
    ///
    /// Not for two callers at a time: of the requests made out of one, each has its own [`fork`](Self::fork).
    pub fn own_timer(&self) -> Option<TimerOwner> {
        self.clone().into_timer_owner().ok()
    }

    /// As [`own_timer`](Self::own_timer), by this very handle, which comes back where the timer has an owner.
    ///
    /// # Errors
    ///
    /// The handle.
    #[inline]
    pub fn into_timer_owner(self) -> Result<TimerOwner, Self> {
        let owned = &self.shared.clock.owned;
        if owned.load(Acquire) {
            return Err(self);
        }
        owned.store(true, Release);
        Ok(TimerOwner { context: self, served: 0 })
    }

    /// As [`keep`](Self::keep) and [`into_timer_owner`](Self::into_timer_owner), for the first layer that gives the request
    /// a deadline: `timeout` after the arrival. `None`, and nothing is changed, where the timer has an owner or somebody has
    /// set or moved a deadline before.
    #[inline]
    pub fn begin_deadline(&mut self, timeout: Duration) -> Option<TimerOwner> {
        let clock = &self.shared.clock;
        let is_first = clock.own.load(Acquire) == UNMOVED
            && clock.first.load(Relaxed) == NEVER
            && clock.inherited.load(Acquire) == NEVER;
        if !is_first || clock.owned.load(Acquire) {
            return None;
        }
        clock.first.store(nanos(timeout), Release);
        clock.owned.store(true, Release);
        Some(TimerOwner { context: self.keep(), served: 0 })
    }

    /// Asks the owner of the timer for a poll at `at`, until the returned value is dropped.
    ///
    /// It is given one poll, at `at` or after, by the owner's own poll: whoever asks must be polled by that, not in a
    /// task of its own. `None` where nobody owns the timer: then the caller has to arm its own.
    pub fn ask_wake(&self, at: Instant) -> Option<WakeAsked> {
        let clock = &self.shared.clock;
        if !clock.owned.load(Acquire) {
            return None;
        }
        let undo = clock.lower(&clock.asked, clock.nanos(at));
        Some(WakeAsked { context: self.clone(), undo })
    }
}

/// The right to arm the request's one timer, given back when dropped.
///
/// The owner polls what is inside it first, then [`park`](Self::park)s and arms its timer for the answer. When that
/// fires, it asks whether the deadline has passed ([`fired`](Self::fired)).
#[derive(Debug)]
pub struct TimerOwner {
    context: RequestContext,
    /// Polls that were asked for at an instant before this one have been given.
    served: u64,
}

impl TimerOwner {
    /// The context whose timer this is.
    pub fn context(&self) -> &RequestContext {
        &self.context
    }

    /// Lowers the service's own deadline to `timeout` after the arrival, pauses not counted, for good. Whoever owns the
    /// timer parks after that, so there is nobody to wake.
    #[inline]
    pub fn lower_timeout(&self, timeout: Duration) {
        let (clock, timeout) = (&self.context.shared.clock, nanos(timeout));
        if clock.own.load(Acquire) != UNMOVED {
            clock.own.fetch_min(timeout, AcqRel);
        } else if timeout < clock.first.load(Relaxed) {
            clock.first.store(timeout, Release);
        }
    }

    /// Reads when the task must be polled next.
    ///
    /// Where somebody may move that in another task, it registers this one first. In that order a deadline moved in
    /// between wakes the task; the other way round it would be slept through.
    #[inline]
    pub fn park(&mut self, cx: &Context<'_>) -> Option<Instant> {
        let clock = &self.context.shared.clock;
        let due = if clock.movable.load(Acquire) {
            clock.owner.register(cx.waker());
            clock.due()
        } else {
            // Whoever pauses it now does not tell: when this has passed, it will be found to stand still.
            clock.deadline()
        };
        clock.instant(clock.wake_at(due, self.served))
    }

    /// The timer that was armed for `at` has fired: whether the deadline has passed.
    ///
    /// Where it has not, somebody inside asked for a poll, or the deadline was moved just now. Then the owner has to be
    /// polled once more, what is inside it first. An ask is served once, so that one that nobody takes back does not
    /// make the timer fire for ever.
    #[inline]
    pub fn fired(&mut self, at: Instant) -> bool {
        self.served = self.served.max(self.context.shared.clock.nanos(at).saturating_add(1));
        self.context.is_expired(at)
    }
}

impl Drop for TimerOwner {
    #[inline]
    fn drop(&mut self) {
        self.context.shared.clock.owned.store(false, Release);
    }
}

/// A poll that was asked for; it is taken back when this is dropped.
#[derive(Debug)]
#[must_use = "the request for a poll is taken back when this is dropped"]
pub struct WakeAsked {
    context: RequestContext,
    undo: Option<(u64, u64)>,
}

impl Drop for WakeAsked {
    fn drop(&mut self) {
        if let Some(undo) = self.undo {
            let clock = &self.context.shared.clock;
            clock.restore(&clock.asked, undo);
        }
    }
}
