//! The gate: how many requests may run, how many do, and how many wait.
//!
//! The three figures are one 64-bit word, and whatever happens at the gate is one compare-and-swap of it:
//!
//! | event | limit | in flight | waiting | only if |
//! |---|---|---|---|---|
//! | admit | | +1 | | in flight < limit, nobody waits |
//! | enqueue | | | +1 | in flight ≥ limit |
//! | hand over | | +1 | −1 | in flight < limit, somebody waits |
//! | release | | −1 | | |
//! | give up | | | −1 | |
//! | refuse who waited for too long | | | −1 | in flight < limit, somebody waits |
//! | displace who matters less | | | ±0 | the queue is full |
//! | set the limit | = | | | |
//!
//! So there is one order of events, and the questions that a gate of several atomics has to argue about have short
//! answers. *Is the limit ever exceeded?* It is compared in the step that admits, so a lower one binds everybody who
//! comes after it, and there are no permits to be taken back from anybody. *Can a wake-up be lost?* A slot is idle
//! while somebody waits ([`Word::owes`]) only after a release or a raise, never after an enqueue, since that one
//! fails if a slot has become free meanwhile. Whoever makes the gate owe, hands over until it no longer does. *Can
//! a newcomer overtake?* Not while anybody waits.
//!
//! The lock is taken to enqueue, to displace, to give up and to hand over; `waiting` changes under it alone, and so is always
//! the length of the queue to who holds it.

use std::task::{Poll, Waker};

use tokio::time::{Duration, Instant};

use crate::{
    bodies::Bodies,
    budget::Budget,
    queue::{Claim, Fate, Order, Queue},
    reason::Reason,
    sync::{
        Mutex,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{AcqRel, Acquire, Relaxed},
        },
        lock,
    },
};

/// The largest limit. It is what the word has room for, rounded, and more than one process can hold.
pub(crate) const MAX_LIMIT: u32 = 1_000_000;

pub(crate) struct Gate {
    word: AtomicU64,
    ends: [AtomicU64; 2],
    /// The most that may wait, whatever who asks was told.
    places: AtomicU32,
    queue: Mutex<Queue>,
    /// Requests that go on without doing work, and hold no slot.
    pub(crate) streams: Budget,
    max_streams: AtomicU32,
    /// Responses that hold a slot, and may come to be of those.
    pub(crate) bodies: Bodies,
    /// Requests that passed without a slot.
    pub(crate) exempt: Budget,
}

/// What the gate said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The caller has a slot, and owes a [`Gate::release`].
    Admitted,
    /// The caller is in the queue under this key, and owes a [`Gate::poll`] to its end or a [`Gate::leave`].
    Waiting(usize),
    /// There is neither a slot nor a place in the queue.
    Refused(Reason),
}

/// What a gate that only rehearses would have said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rehearsal {
    /// It would have admitted; the caller has a slot, and owes a [`Gate::release`].
    Admitted,
    /// It would have let the caller wait, who has a slot over the limit instead, and owes a [`Gate::release`].
    Waited,
    /// It would have refused.
    Refused(Reason),
}

/// What the end of a request says of the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Use {
    /// It was of use to somebody.
    Good,
    /// Too much was running: it was refused or timed out further down, or given up by its client.
    Bad,
    /// Nothing.
    Unknown,
}

impl Gate {
    pub(crate) fn new(limit: u32) -> Self {
        let word = Word(0).with_limit(limit);
        Self {
            word: AtomicU64::new(word.0),
            ends: [AtomicU64::new(0), AtomicU64::new(0)],
            places: AtomicU32::new(u32::from(u16::MAX)),
            queue: Mutex::new(Queue::new()),
            streams: Budget::default(),
            max_streams: AtomicU32::new(u32::MAX),
            bodies: Bodies::new(),
            exempt: Budget::default(),
        }
    }

    /// How many may go on so at the same time.
    pub(crate) fn max_streams(&self) -> u32 {
        self.max_streams.load(Relaxed)
    }

    pub(crate) fn set_max_streams(&self, most: u32) {
        self.max_streams.store(most, Relaxed);
    }

    /// Asks for a slot, or for a place in a queue of at most `capacity`.
    pub(crate) fn enter(&self, claim: Claim, capacity: u16) -> Entry {
        let mut seen = self.look();
        loop {
            if seen.owes() {
                // A slot is on its way to a waiter: with that done, the answer is exact.
                self.hand_over();
                seen = self.look();
            } else if seen.has_room() {
                match self.swap(seen, seen.admit()) {
                    Ok(()) => {
                        self.hold(claim);
                        return Entry::Admitted;
                    }
                    Err(now) => seen = now,
                }
            } else {
                match self.enqueue(claim, capacity) {
                    Entry::Admitted => seen = self.look(),
                    settled => return settled,
                }
            }
        }
    }

    /// Says what [`enter`](Self::enter) would, but lets nobody wait: the places of the queue are slots too.
    pub(crate) fn rehearse(&self, claim: Claim, capacity: u16) -> Rehearsal {
        let mut seen = self.look();
        loop {
            let rehearsal = if seen.has_room() {
                Rehearsal::Admitted
            } else if seen.in_flight() < seen.limit() + u32::from(capacity) {
                Rehearsal::Waited
            } else {
                return Rehearsal::Refused(lock(&self.queue).rehearse(claim));
            };
            match self.swap(seen, seen.admit()) {
                Ok(()) => {
                    self.hold(claim);
                    return rehearsal;
                }
                Err(now) => seen = now,
            }
        }
    }

    /// Whether the waiter has been handed a slot, and so owes a [`release`](Self::release), or been refused; in both
    /// cases its key is gone.
    pub(crate) fn poll(&self, key: usize, waker: &Waker) -> Poll<Result<(), Reason>> {
        // A waker that was replaced may free its task, and with it a permit of this gate: not under the lock.
        let (fate, _replaced) = lock(&self.queue).poll(key, waker);
        match fate {
            Fate::Waits => Poll::Pending,
            Fate::Granted => Poll::Ready(Ok(())),
            Fate::Refused(reason) => Poll::Ready(Err(reason)),
        }
    }

    /// Takes a waiter out of the queue; a slot that it had been handed already goes to the next one.
    pub(crate) fn leave(&self, key: usize, claim: Claim) {
        let left = {
            let mut queue = lock(&self.queue);
            let left = queue.remove(key);
            if left.fate == Fate::Waits {
                self.word.fetch_sub(Word::ONE_WAITING, AcqRel);
            }
            left
        };
        if left.fate == Fate::Granted {
            self.release(claim.tenant, Use::Unknown);
        }
    }

    /// Gives a slot back.
    pub(crate) fn release(&self, tenant: Option<u64>, use_: Use) {
        if use_ != Use::Unknown {
            self.ends[use_ as usize].fetch_add(1, Relaxed);
        }
        if let Some(tenant) = tenant {
            lock(&self.queue).shares.let_go(tenant);
        }
        self.word.fetch_sub(Word::ONE_IN_FLIGHT, AcqRel);
        self.hand_over();
    }

    /// Moves the limit, into `1..=MAX_LIMIT`.
    pub(crate) fn set_limit(&self, limit: u32) {
        let mut seen = self.look();
        while let Err(now) = self.swap(seen, seen.with_limit(limit)) {
            seen = now;
        }
        self.hand_over();
    }

    /// Goes by other rules of the queue from now on, and refuses who has waited for too long by them.
    pub(crate) fn set_queue(&self, places: u16, order: Order) {
        self.places.store(places.into(), Relaxed);
        lock(&self.queue).order = order;
        while let Some(waker) = self.refuse_late() {
            waker.wake();
        }
    }

    pub(crate) fn look(&self) -> Word {
        Word(self.word.load(Acquire))
    }

    /// Whether anybody runs or waits. It writes, what it has read, so that whoever enters after it sees all that was
    /// done before it.
    pub(crate) fn is_busy(&self) -> bool {
        let word = Word(self.word.fetch_add(0, AcqRel));
        word.in_flight() + u32::from(word.waiting()) > 0
    }

    /// How many requests have ended so, since the gate was made.
    pub(crate) fn ended(&self, use_: Use) -> u64 {
        self.ends.get(use_ as usize).map_or(0, |ends| ends.load(Relaxed))
    }

    /// For how long the one that waits longest has waited.
    pub(crate) fn oldest(&self, now: Instant) -> Duration {
        if self.look().waiting() == 0 { Duration::ZERO } else { lock(&self.queue).oldest(now) }
    }

    /// Says that a slot is its tenant's, where tenants are told apart.
    fn hold(&self, claim: Claim) {
        if let Some(tenant) = claim.tenant {
            lock(&self.queue).shares.hold(tenant);
        }
    }

    /// Takes somebody off the queue who has waited for too long.
    fn refuse_late(&self) -> Option<Waker> {
        let now = Instant::now();
        let mut queue = lock(&self.queue);
        loop {
            let late = queue.too_late(now)?;
            self.word.fetch_sub(Word::ONE_WAITING, AcqRel);
            // One that was never polled has no waker, and will find out by itself.
            if let Some(waker) = queue.take(late) {
                return Some(waker);
            }
        }
    }

    /// Puts the caller into the queue. [`Entry::Admitted`] is that room was made for it while it got the lock.
    fn enqueue(&self, claim: Claim, capacity: u16) -> Entry {
        let mut queue = lock(&self.queue);
        let mut seen = self.look();
        let capacity =
            if queue.is_modest(claim) { capacity } else { capacity.min(self.places.load(Relaxed) as u16) };
        while !seen.has_room() {
            if seen.waiting() >= capacity {
                // In a queue of no places there is nobody to displace, and nobody must come to be there.
                if capacity == 0 {
                    return Entry::Refused(Reason::QueueFull);
                }
                let displaced = match queue.displace(claim) {
                    Ok(displaced) => displaced,
                    Err(reason) => return Entry::Refused(reason),
                };
                // One leaves and one comes: as many wait as before.
                let key = queue.push(claim, Instant::now());
                drop(queue);
                if let Some(waker) = displaced {
                    waker.wake();
                }
                return Entry::Waiting(key);
            }
            match self.swap(seen, seen.enqueue()) {
                Ok(()) => return Entry::Waiting(queue.push(claim, Instant::now())),
                Err(now) => seen = now,
            }
        }
        Entry::Admitted
    }

    /// Hands slots to waiters until the gate owes none, and wakes each waiter when the lock is free again.
    fn hand_over(&self) {
        while self.look().owes() {
            if let Some(waker) = self.grant() {
                waker.wake();
            }
        }
    }

    /// Takes the next one off the queue, to run or, after too long a wait, to be refused.
    fn grant(&self) -> Option<Waker> {
        let mut queue = lock(&self.queue);
        let mut seen = self.look();
        // The clock is read once: only who waits costs it, and a wait is longer than the loop.
        let now = Instant::now();
        while seen.owes() {
            let next = queue.next(now)?;
            let new = if next.is_too_late { seen.leave() } else { seen.hand_over() };
            match self.swap(seen, new) {
                Ok(()) => return queue.take(next),
                Err(now) => seen = now,
            }
        }
        None
    }

    fn swap(&self, seen: Word, new: Word) -> Result<(), Word> {
        self.word.compare_exchange_weak(seen.0, new.0, AcqRel, Acquire).map(drop).map_err(Word)
    }
}

/// The limit (24 bits), those in flight (24) and those waiting (16), at one instant.
#[derive(Clone, Copy)]
pub(crate) struct Word(u64);

impl Word {
    const ONE_WAITING: u64 = 1;
    const ONE_IN_FLIGHT: u64 = 1 << 16;
    const ONE_OF_LIMIT: u64 = 1 << 40;
    const COUNTS: u64 = 1 << 24;

    pub(crate) fn limit(self) -> u32 {
        (self.0 / Self::ONE_OF_LIMIT) as u32
    }

    pub(crate) fn in_flight(self) -> u32 {
        (self.0 / Self::ONE_IN_FLIGHT % Self::COUNTS) as u32
    }

    pub(crate) fn waiting(self) -> u16 {
        self.0 as u16
    }

    fn has_room(self) -> bool {
        self.in_flight() < self.limit()
    }

    /// Whether a slot is idle while somebody waits for one.
    fn owes(self) -> bool {
        self.waiting() > 0 && self.has_room()
    }

    // None of these overflows into its neighbour: at most 2^16 - 1 wait, as many as a queue's capacity can say, and
    // no more are in flight than the largest limit and the largest queue together.
    fn admit(self) -> Self {
        Self(self.0 + Self::ONE_IN_FLIGHT)
    }

    fn enqueue(self) -> Self {
        Self(self.0 + Self::ONE_WAITING)
    }

    fn hand_over(self) -> Self {
        Self(self.0 + Self::ONE_IN_FLIGHT - Self::ONE_WAITING)
    }

    fn leave(self) -> Self {
        Self(self.0 - Self::ONE_WAITING)
    }

    fn with_limit(self, limit: u32) -> Self {
        Self(self.0 % Self::ONE_OF_LIMIT + u64::from(limit.clamp(1, MAX_LIMIT)) * Self::ONE_OF_LIMIT)
    }
}
