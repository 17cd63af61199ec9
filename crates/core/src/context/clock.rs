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

use tokio::time::{Duration, Instant};

use crate::sync::{
    AtomicWaker, Notify,
    atomic::{
        AtomicBool, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
};

pub(super) const NEVER: u64 = u64::MAX;
/// Nobody has moved the own deadline: it is `first`.
pub(super) const UNMOVED: u64 = u64::MAX - 1;

pub(super) struct Clock {
    pub(super) arrival: Instant,
    pub(super) first: AtomicU64,
    pub(super) own: AtomicU64,
    pub(super) inherited: AtomicU64,
    pub(super) paused: AtomicU64,
    /// When the pause under way began; `NEVER` while none is.
    pub(super) paused_since: AtomicU64,
    /// The earliest instant at which an inner layer wants to be polled, whatever the deadline.
    pub(super) asked: AtomicU64,
    pub(super) owned: AtomicBool,
    /// The deadline may be moved in another task than the request's own, so the owner leaves its waker.
    pub(super) movable: AtomicBool,
    /// Left there when the owner goes, and dropped with the context: to take it back would cost each request that waits.
    pub(super) owner: AtomicWaker,
    /// Told when the deadline is moved other than by a layer for what is inside it.
    pub(super) moved: Notify,
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
    #[inline]
    pub(super) fn stood_still(&self) -> u64 {
        // In this order a pause that ends in between is missed, which makes a deadline late; never counted twice.
        let over = self.paused.load(Acquire);
        match self.paused_since.load(Acquire) {
            NEVER => over,
            since => over.saturating_add(self.nanos(Instant::now()).saturating_sub(since)),
        }
    }

    #[inline]
    pub(super) fn nanos(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.arrival))
    }

    #[inline]
    pub(super) fn instant(&self, nanos: u64) -> Option<Instant> {
        if nanos == NEVER { None } else { self.arrival.checked_add(Duration::from_nanos(nanos)) }
    }

    /// The own deadline, pauses not counted.
    #[inline]
    pub(super) fn own(&self) -> u64 {
        self.resolved(self.own.load(Acquire))
    }

    #[inline]
    pub(super) fn resolved(&self, own: u64) -> u64 {
        if own == UNMOVED { self.first.load(Acquire) } else { own }
    }

    #[inline]
    pub(super) fn deadline(&self) -> u64 {
        let own = self.own().saturating_add(self.paused.load(Acquire));
        own.min(self.inherited.load(Acquire))
    }

    /// The deadline, unless that stands still: then a caller's.
    #[inline]
    pub(super) fn due(&self) -> u64 {
        if self.paused_since.load(Acquire) == NEVER { self.deadline() } else { self.inherited.load(Acquire) }
    }

    /// The earlier of what is due and what was asked for, unless that is `served`.
    #[inline]
    pub(super) fn wake_at(&self, due: u64, served: u64) -> u64 {
        let asked = self.asked.load(Acquire);
        if asked < served { due } else { due.min(asked) }
    }

    #[inline]
    pub(super) fn wake_owner(&self) {
        if self.owned.load(Acquire) {
            self.owner.wake();
        }
    }

    /// To be called when the deadline was moved.
    pub(super) fn has_moved(&self) {
        self.movable.store(true, Release);
        self.wake_owner();
        self.moved.notify_waiters();
    }

    pub(super) fn pause(&self, now: Instant) {
        // A request has one body, so pauses do not overlap: a load and a store are enough.
        if self.paused_since.load(Acquire) == NEVER {
            self.movable.store(true, Release);
            self.paused_since.store(self.nanos(now), Release);
        }
    }

    pub(super) fn resume(&self, now: Instant) {
        let since = self.paused_since.load(Acquire);
        if since != NEVER {
            self.paused.fetch_add(self.nanos(now).saturating_sub(since), AcqRel);
            self.paused_since.store(NEVER, Release);
            self.has_moved();
        }
    }

    /// Lowers `cell` to `at` and returns what to give it back with.
    #[inline]
    pub(super) fn lower(&self, cell: &AtomicU64, at: u64) -> Option<(u64, u64)> {
        let previous = cell.fetch_min(at, AcqRel);
        if previous <= at {
            return None;
        }
        self.wake_owner();
        Some((at, previous))
    }

    /// As [`lower`](Self::lower), of the own deadline.
    #[inline]
    pub(super) fn lower_own(&self, at: u64) -> Option<(u64, u64)> {
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
    #[inline]
    pub(super) fn restore(&self, cell: &AtomicU64, (lowered, previous): (u64, u64)) {
        // The owner needs no wake: too early a timer finds nothing due and is armed again.
        let _ = cell.compare_exchange(lowered, previous, AcqRel, Relaxed);
    }
}

/// A time after the arrival, `NEVER` where that is too far away to count.
#[inline]
pub(super) fn nanos(after: Duration) -> u64 {
    let nanos = after.as_secs().saturating_mul(1_000_000_000).saturating_add(after.subsec_nanos().into());
    if nanos < UNMOVED { nanos } else { NEVER }
}
