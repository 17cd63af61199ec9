//! The plant: clients, the gate and what stands behind it, in virtual time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use macadam_load_shed::limit::{Rules, Tuner};

use crate::{
    arrivals::{Arrivals, Phase},
    backend::{Backend, Change, Machine},
    clients::Clients,
    gate::{Entry, Gate, Waiter},
    random::Random,
    record::Record,
    time::{MILLI, NEVER, Nanos, SECOND, nanos},
    work::Work,
};

/// What is simulated, without the load.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plant {
    /// What stands behind the gate.
    pub backend: Backend,
    /// How much work a request is.
    pub work: Work,
    /// Who sends them.
    pub clients: Clients,
}

/// What is done to a plant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Script {
    /// The arrivals, one stretch after the other; the run ends with the last.
    pub phases: Vec<Phase>,
    /// What changes, and at which second.
    pub changes: Vec<(f64, Change)>,
    /// How many clients send the next request as soon as they have an answer, from the start to the end: a closed loop.
    pub residents: u32,
}

impl Plant {
    /// Runs the script. Without a tuner the gate is open.
    #[must_use]
    pub fn run(&self, script: &Script, tuner: Option<Tuner>, seed: u64) -> Record {
        Run::new(self, script, tuner, seed).finish()
    }
}

struct Run {
    clients: Clients,
    mean_work: f64,
    gate: Gate,
    tuner: Option<Tuner>,
    machine: Machine,
    arrivals: Arrivals,
    residents: u32,
    changes: VecDeque<(Nanos, Change)>,
    requests: Vec<Request>,
    free: Vec<u32>,
    /// In the order of their sending, which is that of their giving up.
    patience: VecDeque<(Nanos, u32, u32)>,
    cancels: BinaryHeap<Reverse<(Nanos, u32, u32)>>,
    retries: BinaryHeap<Reverse<(Nanos, u32)>>,
    random: Random,
    record: Record,
    now: Nanos,
    end: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct Request {
    serial: u32,
    state: State,
    sent: Nanos,
    tries_left: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Gone,
    Waiting,
    Running,
}

#[derive(Clone, Copy)]
enum Event {
    Completion,
    Change,
    Beat,
    GiveUp,
    Cancel,
    Expiry,
    Retry,
    Arrival,
}

impl Run {
    fn new(plant: &Plant, script: &Script, tuner: Option<Tuner>, seed: u64) -> Self {
        let open = Rules { limit: u32::MAX, queue: 0, newest_first: false, max_wait: Duration::ZERO };
        let end = script.phases.iter().map(|phase| nanos(phase.seconds)).sum();
        Self {
            clients: plant.clients,
            mean_work: plant.work.mean(),
            gate: Gate::new(tuner.as_ref().map_or(open, Tuner::rules)),
            tuner,
            machine: Machine::new(plant.backend, plant.work, Random::new(seed, 1)),
            arrivals: Arrivals::new(script.phases.clone(), Random::new(seed, 2)),
            residents: script.residents,
            changes: script.changes.iter().map(|&(at, change)| (nanos(at), change)).collect(),
            requests: Vec::new(),
            free: Vec::new(),
            patience: VecDeque::new(),
            cancels: BinaryHeap::new(),
            retries: BinaryHeap::new(),
            random: Random::new(seed, 3),
            record: Record::default(),
            now: 0,
            end,
        }
    }

    fn finish(mut self) -> Record {
        let mut beat = BEAT;
        for _ in 0..self.residents {
            self.send(0);
        }
        loop {
            let (at, event) = self.next(beat);
            if at >= self.end {
                return self.record;
            }
            self.now = at;
            match event {
                Event::Completion => self.complete(),
                Event::Change => {
                    if let Some((_, change)) = self.changes.pop_front() {
                        self.machine.change(at, change);
                    }
                }
                Event::Beat => {
                    self.beat();
                    beat += BEAT;
                }
                Event::GiveUp => {
                    if let Some((_, id, serial)) = self.patience.pop_front() {
                        self.abandon(id, serial, true);
                    }
                }
                Event::Cancel => {
                    if let Some(Reverse((_, id, serial))) = self.cancels.pop() {
                        self.abandon(id, serial, false);
                    }
                }
                Event::Expiry => self.expire(),
                Event::Retry => {
                    if let Some(Reverse((_, tries_left))) = self.retries.pop() {
                        let bin = self.bin();
                        self.record.bin(bin).again += 1;
                        self.send(tries_left);
                    }
                }
                Event::Arrival => {
                    self.arrivals.advance();
                    self.send(self.clients.retries);
                }
            }
        }
    }

    /// The next event; of several at one time, the first in this list.
    fn next(&mut self, beat: Nanos) -> (Nanos, Event) {
        let requests = &self.requests;
        let expiry = self.gate.expires(|waiter| is_present(requests, waiter));
        let heads = [
            (self.machine.next(), Event::Completion),
            (self.changes.front().map_or(NEVER, |change| change.0), Event::Change),
            (beat, Event::Beat),
            (self.patience.front().map_or(NEVER, |entry| entry.0), Event::GiveUp),
            (self.cancels.peek().map_or(NEVER, |entry| entry.0.0), Event::Cancel),
            (expiry, Event::Expiry),
            (self.retries.peek().map_or(NEVER, |entry| entry.0.0), Event::Retry),
            (self.arrivals.next(), Event::Arrival),
        ];
        let mut first = heads[0];
        for head in &heads[1..] {
            if head.0 < first.0 {
                first = *head;
            }
        }
        (first.0.max(self.now), first.1)
    }

    fn beat(&mut self) {
        let bin = self.bin();
        if let Some(tuner) = &mut self.tuner {
            let requests = &self.requests;
            let look = self.gate.look(self.now, |waiter| is_present(requests, waiter));
            self.gate.rules = tuner.on_beat(Duration::from_nanos(BEAT), look);
            self.grant();
        }
        self.record.bin(bin).limit = self.gate.rules.limit;
    }

    fn send(&mut self, tries_left: u32) {
        let (now, bin) = (self.now, self.bin());
        self.record.bin(bin).offered += 1;
        let id = self.free.pop().unwrap_or_else(|| {
            self.requests.push(Request { serial: 0, state: State::Gone, sent: 0, tries_left: 0 });
            self.requests.len() as u32 - 1
        });
        let serial = self.requests[id as usize].serial;
        let state = match self.gate.enter(Waiter { id, serial, since: now }) {
            Entry::Admitted => State::Running,
            Entry::Waiting => State::Waiting,
            Entry::Refused => {
                self.free.push(id);
                self.record.bin(bin).shed += 1;
                self.retry(tries_left);
                return;
            }
        };
        self.requests[id as usize] = Request { serial, state, sent: now, tries_left };
        if self.clients.patience.is_finite() {
            self.patience.push_back((now + nanos(self.clients.patience), id, serial));
        }
        if self.clients.cancels > 0.0 && self.random.uniform() < self.clients.cancels {
            let after = nanos(self.random.uniform() * self.clients.haste * self.mean_work);
            self.cancels.push(Reverse((now + after, id, serial)));
        }
        if state == State::Running {
            self.machine.submit(now, id);
        }
    }

    fn complete(&mut self) {
        let Some(done) = self.machine.complete(self.now) else { return };
        self.gate.release(done.served);
        let (bin, request) = (self.bin(), self.forget(done.id));
        if done.served {
            self.record.bin(bin).good += 1;
        } else {
            self.record.bin(bin).bad += 1;
            self.retry(request.tries_left);
        }
        self.note(request);
        self.grant();
        self.come_back();
    }

    /// A client is gone, for want of patience or for its own reasons.
    fn abandon(&mut self, id: u32, serial: u32, impatient: bool) {
        if self.requests[id as usize].serial != serial {
            return;
        }
        let (bin, request) = (self.bin(), self.forget(id));
        if impatient {
            self.record.bin(bin).bad += 1;
        }
        if request.state == State::Running {
            self.machine.cancel(self.now, id);
            // A slot whose request is dropped before its answer was given up, by whom the gate cannot know.
            self.gate.release(false);
            if impatient {
                self.note(request);
            }
            self.grant();
        } else {
            self.gate.leave();
        }
        if impatient {
            self.retry(request.tries_left);
        }
        self.come_back();
    }

    fn expire(&mut self) {
        let Some(id) = self.gate.expire() else { return };
        let (bin, request) = (self.bin(), self.forget(id));
        self.record.bin(bin).shed += 1;
        self.retry(request.tries_left);
    }

    fn grant(&mut self) {
        loop {
            let requests = &self.requests;
            let Some(id) = self.gate.grant(|waiter| is_present(requests, waiter)) else { return };
            self.requests[id as usize].state = State::Running;
            self.machine.submit(self.now, id);
        }
    }

    fn retry(&mut self, tries_left: u32) {
        if tries_left > 0 {
            let after = nanos(self.clients.backoff * (0.5 + self.random.uniform()));
            self.retries.push(Reverse((self.now + after, tries_left - 1)));
        }
    }

    fn come_back(&mut self) {
        if self.residents > 0 {
            self.send(0);
        }
    }

    /// Gives its id free; what is queued under the serial means nobody from now on.
    fn forget(&mut self, id: u32) -> Request {
        let slot = &mut self.requests[id as usize];
        let request = *slot;
        slot.serial = slot.serial.wrapping_add(1);
        slot.state = State::Gone;
        self.free.push(id);
        request
    }

    fn note(&mut self, request: Request) {
        let bin = (request.sent / BIN) as u32;
        let latency = u32::try_from((self.now - request.sent) / 1000).unwrap_or(u32::MAX);
        self.record.latencies.push((bin, latency));
    }

    fn bin(&self) -> usize {
        (self.now / BIN) as usize
    }
}

fn is_present(requests: &[Request], waiter: Waiter) -> bool {
    requests[waiter.id as usize].serial == waiter.serial
}

/// How often the gate is looked at.
const BEAT: Nanos = 5 * MILLI;
/// How long a bin of the record is.
const BIN: Nanos = SECOND / 10;
