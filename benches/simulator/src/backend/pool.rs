//! Servers, and a queue before them.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

use super::ticket::Tickets;
use crate::time::{Nanos, nanos};

#[derive(Debug)]
pub(super) struct Pool {
    slots: u32,
    running: BinaryHeap<Reverse<(Nanos, u32, u32)>>,
    waiting: VecDeque<(u32, u32, f64)>,
    tickets: Tickets,
    /// By id, whether it has a server.
    runs: Vec<bool>,
    busy: u32,
}

impl Pool {
    pub(super) fn new(slots: u32) -> Self {
        Self {
            slots,
            running: BinaryHeap::new(),
            waiting: VecDeque::new(),
            tickets: Tickets::default(),
            runs: Vec::new(),
            busy: 0,
        }
    }

    pub(super) fn submit(&mut self, now: Nanos, id: u32, work: f64) {
        let serial = self.tickets.issue(id);
        if self.runs.len() <= id as usize {
            self.runs.resize(id as usize + 1, false);
        }
        self.runs[id as usize] = false;
        self.waiting.push_back((id, serial, work));
        self.start(now);
    }

    pub(super) fn cancel(&mut self, now: Nanos, id: u32) {
        self.tickets.void(id);
        if std::mem::take(&mut self.runs[id as usize]) {
            self.busy -= 1;
            self.start(now);
        }
    }

    pub(super) fn next(&mut self) -> Option<Nanos> {
        loop {
            let &Reverse((at, id, serial)) = self.running.peek()?;
            if self.tickets.is_valid(id, serial) {
                return Some(at);
            }
            self.running.pop();
        }
    }

    pub(super) fn complete(&mut self, now: Nanos) -> Option<u32> {
        self.next()?;
        let Reverse((_, id, _)) = self.running.pop()?;
        self.tickets.void(id);
        self.runs[id as usize] = false;
        self.busy -= 1;
        self.start(now);
        Some(id)
    }

    pub(super) fn resize(&mut self, now: Nanos, slots: u32) {
        self.slots = slots;
        self.start(now);
    }

    fn start(&mut self, now: Nanos) {
        while self.busy < self.slots {
            let Some((id, serial, work)) = self.waiting.pop_front() else { return };
            if self.tickets.is_valid(id, serial) {
                self.runs[id as usize] = true;
                self.busy += 1;
                self.running.push(Reverse((now + nanos(work), id, serial)));
            }
        }
    }
}
