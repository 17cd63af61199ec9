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
//! | set the limit | = | | | |
//!
//! So there is one order of events, and the questions that a gate of several atomics has to argue about have short
//! answers. *Is the limit ever exceeded?* It is compared in the step that admits, so a lower one binds everybody who
//! comes after it, and there are no permits to be taken back from anybody. *Can a wake-up be lost?* A slot is idle
//! while somebody waits ([`Word::owes`]) only after a release or a raise, never after an enqueue, since that one
//! fails if a slot has become free meanwhile. Whoever makes the gate owe, hands over until it no longer does. *Can
//! a newcomer overtake?* Not while anybody waits.
//!
//! The lock is taken to enqueue, to give up and to hand over; `waiting` changes under it alone, and so is always
//! the length of the queue to who holds it.

use std::task::{Poll, Waker};

use crate::{
    queue::Queue,
    sync::{
        Mutex,
        atomic::{
            AtomicU64,
            Ordering::{AcqRel, Acquire},
        },
        lock,
    },
};

/// The largest limit. It is what the word has room for, rounded, and more than one process can hold.
pub(crate) const MAX_LIMIT: u32 = 1_000_000;

pub(crate) struct Gate {
    word: AtomicU64,
    queue: Mutex<Queue>,
}

/// What the gate said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// The caller has a slot, and owes a [`Gate::release`].
    Admitted,
    /// The caller is in the queue under this key, and owes a [`Gate::poll`] to its end or a [`Gate::leave`].
    Waiting(usize),
    /// There is neither a slot nor a place in the queue.
    Full,
}

/// What a gate that only rehearses would have said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Rehearsal {
    /// It would have admitted; the caller has a slot, and owes a [`Gate::release`].
    Admitted,
    /// It would have let the caller wait, who has a slot over the limit instead, and owes a [`Gate::release`].
    Waited,
    /// It would have refused.
    Refused,
}

impl Gate {
    pub(crate) fn new(limit: u32) -> Self {
        let word = Word(0).with_limit(limit);
        Self { word: AtomicU64::new(word.0), queue: Mutex::new(Queue::default()) }
    }

    /// Asks for a slot, or for a place in a queue of at most `capacity`.
    pub(crate) fn enter(&self, capacity: u16) -> Entry {
        let mut seen = self.look();
        loop {
            if seen.owes() {
                // A slot is on its way to a waiter: with that done, the answer is exact.
                self.hand_over();
                seen = self.look();
            } else if seen.has_room() {
                match self.swap(seen, seen.admit()) {
                    Ok(()) => return Entry::Admitted,
                    Err(now) => seen = now,
                }
            } else if seen.waiting() >= capacity {
                return Entry::Full;
            } else if let Some(key) = self.enqueue(capacity) {
                return Entry::Waiting(key);
            } else {
                seen = self.look();
            }
        }
    }

    /// Says what [`enter`](Self::enter) would, but lets nobody wait: the places of the queue are slots too.
    pub(crate) fn rehearse(&self, capacity: u16) -> Rehearsal {
        let mut seen = self.look();
        loop {
            let rehearsal = if seen.has_room() {
                Rehearsal::Admitted
            } else if seen.in_flight() < seen.limit() + u32::from(capacity) {
                Rehearsal::Waited
            } else {
                return Rehearsal::Refused;
            };
            match self.swap(seen, seen.admit()) {
                Ok(()) => return rehearsal,
                Err(now) => seen = now,
            }
        }
    }

    /// Whether the waiter has been handed a slot; if so its key is gone, and it owes a [`release`](Self::release).
    pub(crate) fn poll(&self, key: usize, waker: &Waker) -> Poll<()> {
        let polled = lock(&self.queue).poll(key, waker);
        // A waker that was replaced may free its task, and with it a permit of this gate: not under the lock.
        if polled.is_some() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Takes a waiter out of the queue; a slot that it had been handed already goes to the next one.
    pub(crate) fn leave(&self, key: usize) {
        let left = {
            let mut queue = lock(&self.queue);
            let left = queue.remove(key);
            if !left.granted {
                self.word.fetch_sub(Word::ONE_WAITING, AcqRel);
            }
            left
        };
        if left.granted {
            self.release();
        }
    }

    /// Gives a slot back.
    pub(crate) fn release(&self) {
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

    pub(crate) fn look(&self) -> Word {
        Word(self.word.load(Acquire))
    }

    /// Puts the caller into the queue, unless room was made for it while it got the lock.
    fn enqueue(&self, capacity: u16) -> Option<usize> {
        let mut queue = lock(&self.queue);
        let mut seen = self.look();
        while !seen.has_room() && seen.waiting() < capacity {
            match self.swap(seen, seen.enqueue()) {
                Ok(()) => return Some(queue.push_back()),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// Hands slots to waiters until the gate owes none, and wakes each waiter when the lock is free again.
    fn hand_over(&self) {
        while self.look().owes() {
            if let Some(waker) = self.grant() {
                waker.wake();
            }
        }
    }

    fn grant(&self) -> Option<Waker> {
        let mut queue = lock(&self.queue);
        let mut seen = self.look();
        while seen.owes() {
            match self.swap(seen, seen.hand_over()) {
                Ok(()) => return queue.grant_front(),
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

    fn with_limit(self, limit: u32) -> Self {
        Self(self.0 % Self::ONE_OF_LIMIT + u64::from(limit.clamp(1, MAX_LIMIT)) * Self::ONE_OF_LIMIT)
    }
}
