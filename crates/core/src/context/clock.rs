//! A request's deadline, and the one timer that watches over it.
//!
//! All instants are kept as nanoseconds after the request's arrival, in atomics, since a handler may move its
//! deadline from a task of its own while the timer's owner waits in another.
//!
//! Two deadlines run side by side and the earlier one counts. The *own* one bounds our work, so it stands still
//! while the handler waits for the client's bytes: its value is kept without those pauses, and `paused` holds their
//! sum. The *inherited* one is a caller's, who knows nothing of our pauses, so it never moves.
//!
//! A read-modify-write costs more than all else on the way of a request whose handler is ready at once, so there is none
//! there. What the timer's owner makes of the own deadline is in a cell that nobody else writes, `first`, and counts until
//! somebody moves it, in `own`; who moves it at the same time has moved it after that. And a timer is free or owned by a
//! look and a store: the layers of a request are called one after the other, each by the one around it.
//!
//! Nearly every handler waits, and hardly any deadline is moved in another task than the request's own. In that one
//! whoever moves it is polled by the timer's owner, which looks when that is done. So the owner leaves no waker before
//! somebody has announced moves: a `Deadline` that was asked for, a task spawned with the context, a pause, a first move.

use std::task::Context;

use tokio::time::{Duration, Instant};

use super::RequestContext;
use crate::sync::{
    AtomicWaker, Notify,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
};

const NEVER: u64 = u64::MAX;
/// Nobody has moved the own deadline: it is `first`.
const UNMOVED: u64 = u64::MAX - 1;

pub(super) struct Clock {
    arrival: Instant,
    first: AtomicU64,
    own: AtomicU64,
    inherited: AtomicU64,
    paused: AtomicU64,
    /// When the pause under way began; `NEVER` while none is.
    paused_since: AtomicU64,
    /// The earliest instant at which an inner layer wants to be polled, whatever the deadline.
    asked: AtomicU64,
    owned: AtomicBool,
    /// The deadline may be moved in another task than the request's own, so the owner leaves its waker.
    movable: AtomicBool,
    /// Left there when the owner goes, and dropped with the context: to take it back would cost each request that waits.
    owner: AtomicWaker,
    /// Told when the deadline is moved other than by a layer for what is inside it.
    moved: Notify,
}

impl Clock {
    pub(super) fn new(arrival: Instant) -> Self {
        Self {
            arrival,
            first: AtomicU64::new(NEVER),
            own: AtomicU64::new(UNMOVED),
            inherited: AtomicU64::new(NEVER),
            paused: AtomicU64::new(0),
            paused_since: AtomicU64::new(NEVER),
            asked: AtomicU64::new(NEVER),
            owned: AtomicBool::new(false),
            movable: AtomicBool::new(false),
            owner: AtomicWaker::new(),
            moved: Notify::new(),
        }
    }

    pub(super) fn arrival(&self) -> Instant {
        self.arrival
    }

    pub(super) fn copy_deadline(&self, from: &Self) {
        self.own.store(from.own(), Release);
        self.inherited.store(from.inherited.load(Acquire), Release);
        // The copy waits for nobody's bytes, so a pause under way ends for it here.
        self.paused.store(from.stood_still(), Release);
    }

    /// For how long the own deadline has stood still, with the pause under way. Reads the clock during one alone.
    fn stood_still(&self) -> u64 {
        // In this order a pause that ends in between is missed, which makes a deadline late; never counted twice.
        let over = self.paused.load(Acquire);
        match self.paused_since.load(Acquire) {
            NEVER => over,
            since => over.saturating_add(self.nanos(Instant::now()).saturating_sub(since)),
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.arrival))
    }

    #[inline]
    fn instant(&self, nanos: u64) -> Option<Instant> {
        if nanos == NEVER { None } else { self.arrival.checked_add(Duration::from_nanos(nanos)) }
    }

    /// The own deadline, pauses not counted.
    #[inline]
    fn own(&self) -> u64 {
        self.resolved(self.own.load(Acquire))
    }

    #[inline]
    fn resolved(&self, own: u64) -> u64 {
        if own == UNMOVED { self.first.load(Acquire) } else { own }
    }

    #[inline]
    fn deadline(&self) -> u64 {
        let own = self.own().saturating_add(self.paused.load(Acquire));
        own.min(self.inherited.load(Acquire))
    }

    /// The deadline, unless that stands still: then a caller's.
    #[inline]
    fn due(&self) -> u64 {
        if self.paused_since.load(Acquire) == NEVER { self.deadline() } else { self.inherited.load(Acquire) }
    }

    /// The earlier of what is due and what was asked for, unless that is `served`.
    #[inline]
    fn wake_at(&self, due: u64, served: u64) -> u64 {
        let asked = self.asked.load(Acquire);
        if asked < served { due } else { due.min(asked) }
    }

    fn wake_owner(&self) {
        if self.owned.load(Acquire) {
            self.owner.wake();
        }
    }

    /// To be called when the deadline was moved.
    fn has_moved(&self) {
        self.movable.store(true, Release);
        self.wake_owner();
        self.moved.notify_waiters();
    }

    fn pause(&self, now: Instant) {
        // A request has one body, so pauses do not overlap: a load and a store are enough.
        if self.paused_since.load(Acquire) == NEVER {
            self.movable.store(true, Release);
            self.paused_since.store(self.nanos(now), Release);
        }
    }

    fn resume(&self, now: Instant) {
        let since = self.paused_since.load(Acquire);
        if since != NEVER {
            self.paused.fetch_add(self.nanos(now).saturating_sub(since), AcqRel);
            self.paused_since.store(NEVER, Release);
            self.has_moved();
        }
    }

    /// Lowers `cell` to `at` and returns what to give it back with.
    fn lower(&self, cell: &AtomicU64, at: u64) -> Option<(u64, u64)> {
        let previous = cell.fetch_min(at, AcqRel);
        if previous <= at {
            return None;
        }
        self.wake_owner();
        Some((at, previous))
    }

    /// As [`lower`](Self::lower), of the own deadline.
    fn lower_own(&self, at: u64) -> Option<(u64, u64)> {
        let mut previous = self.own.load(Acquire);
        loop {
            if self.resolved(previous) <= at {
                return None;
            }
            match self.own.compare_exchange_weak(previous, at, AcqRel, Acquire) {
                Ok(_) => break,
                Err(moved) => previous = moved,
            }
        }
        self.wake_owner();
        Some((at, previous))
    }

    /// Undoes a [`lower`](Self::lower), unless somebody has moved the cell since: then that stands.
    fn restore(&self, cell: &AtomicU64, (lowered, previous): (u64, u64)) {
        // The owner needs no wake: too early a timer finds nothing due and is armed again.
        let _ = cell.compare_exchange(lowered, previous, AcqRel, Relaxed);
    }
}

/// A time after the arrival, `NEVER` where that is too far away to count.
#[inline]
fn nanos(after: Duration) -> u64 {
    let nanos = after.as_secs().saturating_mul(1_000_000_000).saturating_add(after.subsec_nanos().into());
    if nanos < UNMOVED { nanos } else { NEVER }
}

/// # Deadline
///
/// A layer that wants to know it reads [`deadline`](Self::deadline); one that owns the timer goes by
/// [`TimerOwner`]. All of it is lock-free.
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
    fn drop(&mut self) {
        let clock = &self.context.shared.clock;
        clock.restore(&clock.own, self.undo);
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
