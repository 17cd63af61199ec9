//! A request's deadline, for who reads it and who moves it.

use tokio::time::{Duration, Instant};

use super::{
    RequestContext,
    clock::{NEVER, UNMOVED, nanos},
};
use crate::sync::atomic::Ordering::{AcqRel, Acquire, Release};

/// # Deadline
///
/// A layer that wants to know it reads [`deadline`](Self::deadline); one that owns the timer goes by
/// [`TimerOwner`](super::TimerOwner). All of it is lock-free.
impl RequestContext {
    /// When the request's deadline passes, if it has one: the earlier of the service's own, moved by the pauses that
    /// are over, and the caller's.
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.clock.instant(self.shared.clock.deadline())
    }

    /// Whether the request has a deadline.
    #[inline]
    pub fn has_deadline(&self) -> bool {
        self.shared.clock.deadline() != NEVER
    }

    /// The deadline of the caller alone, if one was inherited.
    pub fn inherited_deadline(&self) -> Option<Instant> {
        let clock = &self.shared.clock;
        clock.instant(clock.inherited.load(Acquire))
    }

    /// When the deadline will pass if nothing moves it: while paused the service's own one does not.
    pub fn expires_at(&self) -> Option<Instant> {
        self.shared.clock.instant(self.shared.clock.due())
    }

    /// Whether the deadline has passed at `now`. While paused only a caller's can.
    #[inline]
    pub fn is_expired(&self, now: Instant) -> bool {
        self.shared.clock.nanos(now) >= self.shared.clock.due()
    }

    /// Moves the service's own deadline, earlier or later, or takes it away, and says where it was. A caller's stays.
    pub fn set_deadline(&self, at: Option<Instant>) -> Option<Instant> {
        let clock = &self.shared.clock;
        let stood_still = clock.stood_still();
        // Pauses so far count for the old deadline alone: the new one is exactly where the caller said.
        let own = match at.map_or(NEVER, |at| clock.nanos(at)) {
            NEVER => NEVER,
            at => at.saturating_sub(stood_still),
        };
        let previous = clock.resolved(clock.own.swap(own, AcqRel));
        clock.has_moved();
        clock.instant(previous.saturating_add(stood_still))
    }

    /// Moves the service's own deadline later by so much. A caller's stays, and where there is none there still is none.
    pub fn extend_deadline(&self, by: Duration) {
        let clock = &self.shared.clock;
        let by = nanos(by);
        let mut previous = clock.own.load(Acquire);
        loop {
            let later = match clock.resolved(previous).saturating_add(by) {
                UNMOVED => NEVER,
                later => later,
            };
            match clock.own.compare_exchange_weak(previous, later, AcqRel, Acquire) {
                Ok(_) => break,
                Err(moved) => previous = moved,
            }
        }
        clock.has_moved();
    }

    /// Announces that the deadline may be moved in another task than the one that polls the timer's owner, which from its
    /// next poll on is woken for that. A move that was not announced it sees when it is polled, or when the deadline
    /// passes that it knows of. To move or to pause it announces the next move.
    pub fn announce_moves(&self) {
        self.shared.clock.movable.store(true, Release);
    }

    /// Ready when the deadline is moved after this call, or a pause ends, but not when a layer lowers it for what is
    /// inside that.
    pub fn deadline_moved(&self) -> impl Future<Output = ()> + Send + use<'_> {
        self.shared.clock.moved.notified()
    }

    /// Moves the service's own deadline to `timeout` after the arrival, pauses not counted, or takes it away. A
    /// caller's stays.
    pub fn set_timeout(&self, timeout: Option<Duration>) {
        let clock = &self.shared.clock;
        clock.own.store(timeout.map_or(NEVER, nanos), Release);
        clock.has_moved();
    }

    /// Lowers the service's own deadline to `timeout` after the arrival, pauses not counted, until the returned value
    /// is dropped. `None` where the deadline is no later already.
    ///
    /// Lowerings nest as the futures do that hold them: the last one goes back first.
    #[inline]
    pub fn lower_timeout(&self, timeout: Duration) -> Option<Lowered> {
        let undo = self.shared.clock.lower_own(nanos(timeout))?;
        Some(Lowered { context: self.clone(), undo })
    }

    /// Takes on the deadline of a caller, which never pauses. The earliest one counts.
    pub fn inherit_deadline(&self, at: Instant) {
        let clock = &self.shared.clock;
        if clock.lower(&clock.inherited, clock.nanos(at)).is_some() {
            clock.moved.notify_waiters();
        }
    }

    /// Stops the service's own deadline: from now on the handler waits for the client's bytes. Whoever stops it lets
    /// it run again, also when dropped.
    pub fn pause_deadline(&self) {
        let clock = &self.shared.clock;
        if clock.own() != NEVER {
            clock.pause(Instant::now());
        }
    }

    /// For how long the service's own deadline has stood still, with the pause under way.
    pub fn stood_still(&self) -> Duration {
        Duration::from_nanos(self.shared.clock.stood_still())
    }

    /// Lets the service's own deadline run again, later by as long as it stood still.
    pub fn resume_deadline(&self) {
        let clock = &self.shared.clock;
        if clock.paused_since.load(Acquire) != NEVER {
            clock.resume(Instant::now());
        }
    }
}

/// A deadline that was lowered; it goes back when this is dropped.
#[derive(Debug)]
#[must_use = "the deadline goes back when this is dropped"]
pub struct Lowered {
    context: RequestContext,
    undo: (u64, u64),
}

impl Lowered {
    /// The context whose deadline this is.
    pub fn context(&self) -> &RequestContext {
        &self.context
    }
}

impl Drop for Lowered {
    #[inline]
    fn drop(&mut self) {
        let clock = &self.context.shared.clock;
        clock.restore(&clock.own, self.undo);
    }
}
