//! A request's deadline, and the one timer that watches over it.
//!
//! All instants are kept as nanoseconds after the request's arrival, in atomics, since a handler may move its
//! deadline from a task of its own while the timer's owner waits in another.
//!
//! Two deadlines run side by side and the earlier one counts. The *own* one bounds our work, so it stands still
//! while the handler waits for the client's bytes: its value is kept without those pauses, and `paused` holds their
//! sum. The *inherited* one is a caller's, who knows nothing of our pauses, so it never moves.

use std::task::Context;

use tokio::time::{Duration, Instant};

use super::RequestContext;
use crate::sync::{
    AtomicWaker,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
};

const NEVER: u64 = u64::MAX;

pub(super) struct Clock {
    arrival: Instant,
    own: AtomicU64,
    inherited: AtomicU64,
    paused: AtomicU64,
    /// When the pause under way began; `NEVER` while none is.
    paused_since: AtomicU64,
    /// The earliest instant at which an inner layer wants to be polled, whatever the deadline.
    asked: AtomicU64,
    owned: AtomicBool,
    owner: AtomicWaker,
}

impl Clock {
    pub(super) fn new(arrival: Instant) -> Self {
        Self {
            arrival,
            own: AtomicU64::new(NEVER),
            inherited: AtomicU64::new(NEVER),
            paused: AtomicU64::new(0),
            paused_since: AtomicU64::new(NEVER),
            asked: AtomicU64::new(NEVER),
            owned: AtomicBool::new(false),
            owner: AtomicWaker::new(),
        }
    }

    pub(super) fn arrival(&self) -> Instant {
        self.arrival
    }

    pub(super) fn copy_deadline(&self, from: &Self) {
        for (to, from) in [(&self.own, &from.own), (&self.inherited, &from.inherited)] {
            to.store(from.load(Acquire), Release);
        }
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
        u64::try_from(at.saturating_duration_since(self.arrival).as_nanos()).unwrap_or(NEVER)
    }

    fn instant(&self, nanos: u64) -> Option<Instant> {
        if nanos == NEVER { None } else { self.arrival.checked_add(Duration::from_nanos(nanos)) }
    }

    fn deadline(&self) -> u64 {
        let own = self.own.load(Acquire).saturating_add(self.paused.load(Acquire));
        own.min(self.inherited.load(Acquire))
    }

    /// The earlier of the deadline, unless that stands still, and what was asked for, unless that is `served`.
    fn wake_at(&self, served: u64) -> u64 {
        let deadline = if self.paused_since.load(Acquire) == NEVER {
            self.deadline()
        } else {
            self.inherited.load(Acquire)
        };
        let asked = self.asked.load(Acquire);
        if asked < served { deadline } else { deadline.min(asked) }
    }

    fn pause(&self, now: Instant) {
        // A request has one body, so pauses do not overlap: a load and a store are enough.
        if self.paused_since.load(Acquire) == NEVER {
            self.paused_since.store(self.nanos(now), Release);
        }
    }

    fn resume(&self, now: Instant) {
        let since = self.paused_since.load(Acquire);
        if since != NEVER {
            self.paused.fetch_add(self.nanos(now).saturating_sub(since), AcqRel);
            self.paused_since.store(NEVER, Release);
            self.owner.wake();
        }
    }

    /// Lowers `cell` to `at` and returns what to give it back with.
    fn lower(&self, cell: &AtomicU64, at: u64) -> Option<(u64, u64)> {
        let previous = cell.fetch_min(at, AcqRel);
        if previous <= at {
            return None;
        }
        self.owner.wake();
        Some((at, previous))
    }

    /// Undoes a [`lower`](Self::lower), unless somebody has moved the cell since: then that stands.
    fn restore(&self, cell: &AtomicU64, (lowered, previous): (u64, u64)) {
        // The owner needs no wake: too early a timer finds nothing due and is armed again.
        let _ = cell.compare_exchange(lowered, previous, AcqRel, Relaxed);
    }
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

    /// Whether the deadline has passed at `now`. While paused only a caller's can.
    pub fn is_expired(&self, now: Instant) -> bool {
        let clock = &self.shared.clock;
        let running = clock.paused_since.load(Acquire) == NEVER;
        let due = if running { clock.deadline() } else { clock.inherited.load(Acquire) };
        clock.nanos(now) >= due
    }

    /// Moves the service's own deadline, earlier or later, or takes it away. A caller's stays.
    pub fn set_deadline(&self, at: Option<Instant>) {
        let clock = &self.shared.clock;
        // Pauses so far count for the old deadline alone: the new one is exactly where the caller said.
        let own = match at.map_or(NEVER, |at| clock.nanos(at)) {
            NEVER => NEVER,
            at => at.saturating_sub(clock.stood_still()),
        };
        clock.own.store(own, Release);
        clock.owner.wake();
    }

    /// Moves the service's own deadline to `timeout` after the arrival, pauses not counted, or takes it away. A
    /// caller's stays.
    pub fn set_timeout(&self, timeout: Option<Duration>) {
        let clock = &self.shared.clock;
        let own = timeout.and_then(|timeout| u64::try_from(timeout.as_nanos()).ok());
        clock.own.store(own.unwrap_or(NEVER), Release);
        clock.owner.wake();
    }

    /// Lowers the service's own deadline to `at`, counted from the arrival without pauses, until the returned value
    /// is dropped. `None` where the deadline is no later already.
    ///
    /// Lowerings nest as the futures do that hold them: the last one goes back first.
    pub fn lower_deadline(&self, at: Instant) -> Option<Lowered> {
        let clock = &self.shared.clock;
        let undo = clock.lower(&clock.own, clock.nanos(at))?;
        Some(Lowered { context: self.clone(), undo })
    }

    /// Takes on the deadline of a caller, which never pauses. The earliest one counts.
    pub fn inherit_deadline(&self, at: Instant) {
        let clock = &self.shared.clock;
        clock.lower(&clock.inherited, clock.nanos(at));
    }

    /// Stops the service's own deadline: from now on the handler waits for the client's bytes. Whoever stops it lets
    /// it run again, also when dropped.
    pub fn pause_deadline(&self) {
        let clock = &self.shared.clock;
        if clock.own.load(Acquire) != NEVER {
            clock.pause(Instant::now());
        }
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
        self.shared.clock.instant(self.shared.clock.wake_at(0))
    }

    /// Makes the caller the owner of the request's one timer, or `None` if it has an owner already.
    pub fn own_timer(&self) -> Option<TimerOwner> {
        let free = self.shared.clock.owned.compare_exchange(false, true, AcqRel, Relaxed).is_ok();
        free.then(|| TimerOwner { context: self.clone(), parked: AtomicBool::new(false), served: 0 })
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
    parked: AtomicBool,
    /// Polls that were asked for at an instant before this one have been given.
    served: u64,
}

impl TimerOwner {
    /// The context whose timer this is.
    pub fn context(&self) -> &RequestContext {
        &self.context
    }

    /// Lowers the service's own deadline to `at`, counted from the arrival without pauses, for good. Whoever owns the
    /// timer parks after that, so there is nobody to wake.
    pub fn lower_deadline(&self, at: Instant) {
        let clock = &self.context.shared.clock;
        clock.own.fetch_min(clock.nanos(at), AcqRel);
    }

    /// Registers the task, then reads when it must be polled next.
    ///
    /// In that order a deadline moved in between wakes the task; the other way round it would be slept through.
    pub fn park(&self, cx: &Context<'_>) -> Option<Instant> {
        let clock = &self.context.shared.clock;
        self.parked.store(true, Relaxed);
        clock.owner.register(cx.waker());
        clock.instant(clock.wake_at(self.served))
    }

    /// The timer that was armed for `at` has fired: whether the deadline has passed.
    ///
    /// Where it has not, somebody inside asked for a poll, or the deadline was moved just now. Then the owner has to be
    /// polled once more, what is inside it first. An ask is served once, so that one that nobody takes back does not
    /// make the timer fire for ever.
    pub fn fired(&mut self, at: Instant) -> bool {
        self.served = self.served.max(self.context.shared.clock.nanos(at).saturating_add(1));
        self.context.is_expired(at)
    }
}

impl Drop for TimerOwner {
    fn drop(&mut self) {
        let clock = &self.context.shared.clock;
        if self.parked.load(Relaxed) {
            clock.owner.take();
        }
        clock.owned.store(false, Release);
    }
}

/// A deadline that was lowered; it goes back when this is dropped.
#[derive(Debug)]
#[must_use = "the deadline goes back when this is dropped"]
pub struct Lowered {
    context: RequestContext,
    undo: (u64, u64),
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
