//! Everybody runs at once, and the more, the slower.

use std::{cmp::Ordering, collections::BinaryHeap};

use super::ticket::Tickets;
use crate::time::{Nanos, nanos, seconds};

/// Processor sharing with a speed that depends on how many share.
///
/// Everybody has the same speed at any time, so one clock that runs at that speed says who is done: a request is
/// when the clock has gone on by as much as its work is.
#[derive(Debug)]
pub(super) struct Shared {
    speed: Speed,
    clock: f64,
    at: Nanos,
    present: u32,
    heap: BinaryHeap<Job>,
    tickets: Tickets,
}

#[derive(Clone, Copy, Debug)]
enum Speed {
    Contended { alpha: f64, beta: f64 },
    Fair { processors: f64 },
}

#[derive(Debug, PartialEq)]
struct Job {
    done: f64,
    id: u32,
    serial: u32,
}

impl Shared {
    pub(super) fn contended(alpha: f64, beta: f64) -> Self {
        Self::new(Speed::Contended { alpha, beta })
    }

    pub(super) fn fair(processors: u32) -> Self {
        Self::new(Speed::Fair { processors: f64::from(processors) })
    }

    fn new(speed: Speed) -> Self {
        Self { speed, clock: 0.0, at: 0, present: 0, heap: BinaryHeap::new(), tickets: Tickets::default() }
    }

    pub(super) fn submit(&mut self, now: Nanos, id: u32, work: f64) {
        self.advance(now);
        let serial = self.tickets.issue(id);
        self.heap.push(Job { done: self.clock + work, id, serial });
        self.present += 1;
    }

    pub(super) fn cancel(&mut self, now: Nanos, id: u32) {
        self.advance(now);
        self.tickets.void(id);
        self.present -= 1;
    }

    pub(super) fn next(&mut self) -> Option<Nanos> {
        loop {
            let job = self.heap.peek()?;
            if self.tickets.is_valid(job.id, job.serial) {
                let left = (job.done - self.clock).max(0.0);
                return Some(self.at + nanos(left / self.speed.of(self.present)));
            }
            self.heap.pop();
        }
    }

    pub(super) fn complete(&mut self, now: Nanos) -> Option<u32> {
        self.next()?;
        self.advance(now);
        let job = self.heap.pop()?;
        self.tickets.void(job.id);
        self.present -= 1;
        Some(job.id)
    }

    /// Moves the knee of contention, or the number of processors.
    pub(super) fn resize(&mut self, now: Nanos, slots: u32) {
        self.advance(now);
        let slots = f64::from(slots);
        match &mut self.speed {
            Speed::Contended { alpha, beta } => *beta = (1.0 - *alpha) / (slots * slots),
            Speed::Fair { processors } => *processors = slots,
        }
    }

    fn advance(&mut self, now: Nanos) {
        if self.present > 0 {
            self.clock += seconds(now - self.at) * self.speed.of(self.present);
        }
        self.at = now;
    }
}

impl Speed {
    fn of(self, present: u32) -> f64 {
        let n = f64::from(present);
        match self {
            Self::Contended { alpha, beta } => 1.0 / (1.0 + alpha * (n - 1.0) + beta * n * (n - 1.0)),
            Self::Fair { processors } => (processors / n).min(1.0),
        }
    }
}

impl Eq for Job {}

impl Ord for Job {
    /// The first to be done is the greatest: the heap has it on top.
    fn cmp(&self, other: &Self) -> Ordering {
        other.done.total_cmp(&self.done).then(other.serial.cmp(&self.serial)).then(other.id.cmp(&self.id))
    }
}

impl PartialOrd for Job {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
