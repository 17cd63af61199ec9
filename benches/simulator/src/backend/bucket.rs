//! A downstream that limits the rate and refuses quickly.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{Done, ticket::Tickets};
use crate::time::{MILLI, Nanos, nanos, seconds};

#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    burst: f64,
    tokens: f64,
    at: Nanos,
    running: BinaryHeap<Reverse<(Nanos, u32, u32, bool)>>,
    tickets: Tickets,
}

impl Bucket {
    pub(super) fn new(rate: f64, burst: f64) -> Self {
        Self { rate, burst, tokens: burst, at: 0, running: BinaryHeap::new(), tickets: Tickets::default() }
    }

    pub(super) fn submit(&mut self, now: Nanos, id: u32, work: f64) {
        self.tokens = (self.tokens + seconds(now - self.at) * self.rate).min(self.burst);
        self.at = now;
        let served = self.tokens >= 1.0;
        if served {
            self.tokens -= 1.0;
        }
        let done = now + if served { nanos(work) } else { MILLI };
        let serial = self.tickets.issue(id);
        self.running.push(Reverse((done, id, serial, served)));
    }

    pub(super) fn cancel(&mut self, id: u32) {
        self.tickets.void(id);
    }

    pub(super) fn next(&mut self) -> Option<Nanos> {
        loop {
            let &Reverse((at, id, serial, _)) = self.running.peek()?;
            if self.tickets.is_valid(id, serial) {
                return Some(at);
            }
            self.running.pop();
        }
    }

    pub(super) fn complete(&mut self) -> Option<Done> {
        self.next()?;
        let Reverse((_, id, _, served)) = self.running.pop()?;
        self.tickets.void(id);
        Some(Done { id, served })
    }
}
