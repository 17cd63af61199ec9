//! A model of the gate: the same rules, without its atomics.

use std::{collections::VecDeque, time::Duration};

use macadam_load_shed::limit::{Look, Rules};

use crate::time::{NEVER, Nanos};

#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) rules: Rules,
    pub(crate) in_flight: u32,
    waiting: VecDeque<Waiter>,
    /// Without those who left from the middle, and are skipped when their turn comes.
    present: u32,
    good: u64,
    bad: u64,
    refused: u64,
}

/// Who waits, and since when. A serial that is not the present one of this id belongs to nobody any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiter {
    pub(crate) id: u32,
    pub(crate) serial: u32,
    pub(crate) since: Nanos,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Admitted,
    Waiting,
    Refused,
}

impl Gate {
    pub(crate) fn new(rules: Rules) -> Self {
        Self { rules, in_flight: 0, waiting: VecDeque::new(), present: 0, good: 0, bad: 0, refused: 0 }
    }

    pub(crate) fn enter(&mut self, waiter: Waiter) -> Entry {
        if self.in_flight < self.rules.limit {
            self.in_flight += 1;
            Entry::Admitted
        } else if self.present < u32::from(self.rules.queue) {
            self.present += 1;
            self.waiting.push_back(waiter);
            Entry::Waiting
        } else {
            self.refused += 1;
            Entry::Refused
        }
    }

    /// A slot ends, with an answer of use or without one.
    pub(crate) fn release(&mut self, good: bool) {
        self.in_flight -= 1;
        *(if good { &mut self.good } else { &mut self.bad }) += 1;
    }

    /// Somebody who waited is gone; the entry stays.
    pub(crate) fn leave(&mut self) {
        self.present -= 1;
    }

    /// The next to run, if there is a slot for somebody who waits.
    pub(crate) fn grant(&mut self, is_present: impl Fn(Waiter) -> bool) -> Option<u32> {
        while self.in_flight < self.rules.limit {
            let waiter =
                if self.rules.newest_first { self.waiting.pop_back() } else { self.waiting.pop_front() };
            let waiter = waiter?;
            if is_present(waiter) {
                self.present -= 1;
                self.in_flight += 1;
                return Some(waiter.id);
            }
        }
        None
    }

    /// When the one who waits longest has waited too long.
    pub(crate) fn expires(&mut self, is_present: impl Fn(Waiter) -> bool) -> Nanos {
        let max_wait = u64::try_from(self.rules.max_wait.as_nanos()).unwrap_or(NEVER);
        self.oldest(is_present).map_or(NEVER, |waiter| waiter.since.saturating_add(max_wait))
    }

    pub(crate) fn expire(&mut self) -> Option<u32> {
        let waiter = self.waiting.pop_front()?;
        self.present -= 1;
        self.refused += 1;
        Some(waiter.id)
    }

    pub(crate) fn look(&mut self, now: Nanos, is_present: impl Fn(Waiter) -> bool) -> Look {
        let oldest = self.oldest(is_present).map_or(0, |waiter| now - waiter.since);
        Look {
            in_flight: self.in_flight,
            waiting: self.present,
            oldest: Duration::from_nanos(oldest),
            good: self.good,
            bad: self.bad,
            refused: self.refused,
        }
    }

    fn oldest(&mut self, is_present: impl Fn(Waiter) -> bool) -> Option<Waiter> {
        while let Some(&waiter) = self.waiting.front() {
            if is_present(waiter) {
                return Some(waiter);
            }
            self.waiting.pop_front();
        }
        None
    }
}
