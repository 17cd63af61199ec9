//! What does the work behind the gate.

mod bucket;
mod pool;
mod shared;
mod ticket;

use crate::{
    random::Random,
    time::{NEVER, Nanos},
    work::Work,
};

use self::{bucket::Bucket, pool::Pool, shared::Shared};

/// What stands behind the gate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Backend {
    /// So many servers, and before them a queue without end, first come first served: a pool of connections.
    Pool {
        /// How many servers.
        slots: u32,
    },
    /// Everybody runs at once, and slows everybody else down, by Gunther's universal scalability law:
    /// `n` of them take `1 + alpha (n - 1) + beta n (n - 1)` times as long as one.
    Contended {
        /// The part that is serial.
        alpha: f64,
        /// What each pair costs: coherency.
        beta: f64,
    },
    /// Everybody runs at once and gets an equal share of so many processors.
    Shared {
        /// How many processors.
        processors: u32,
    },
    /// Answers in its time as long as it has tokens, and refuses within a millisecond when it has none.
    RateLimited {
        /// Tokens a second.
        rate: f64,
        /// The most tokens at once.
        burst: f64,
    },
}

impl Backend {
    /// Contention that gives the most throughput with `knee` in flight, a tenth of it from what is serial.
    #[must_use]
    pub fn contended(knee: u32) -> Self {
        let knee = f64::from(knee);
        let alpha = 0.1 / knee;
        Self::Contended { alpha, beta: (1.0 - alpha) / (knee * knee) }
    }
}

/// What changes at some time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// A pool has so many servers from now on.
    Slots(u32),
    /// Whoever starts from now on takes so many times as long as in the beginning.
    Slowness(f64),
}

/// A request that the back end is done with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) id: u32,
    pub(crate) served: bool,
}

/// A back end at work. Who was cancelled is skipped when its turn comes: its serial number is no longer the present one.
#[derive(Debug)]
pub(crate) struct Machine {
    kind: Kind,
    work: Work,
    slowness: f64,
    random: Random,
}

#[derive(Debug)]
enum Kind {
    Pool(Pool),
    Shared(Shared),
    Bucket(Bucket),
}

impl Machine {
    pub(crate) fn new(backend: Backend, work: Work, random: Random) -> Self {
        let kind = match backend {
            Backend::Pool { slots } => Kind::Pool(Pool::new(slots)),
            Backend::Contended { alpha, beta } => Kind::Shared(Shared::contended(alpha, beta)),
            Backend::Shared { processors } => Kind::Shared(Shared::fair(processors)),
            Backend::RateLimited { rate, burst } => Kind::Bucket(Bucket::new(rate, burst)),
        };
        Self { kind, work, slowness: 1.0, random }
    }

    pub(crate) fn submit(&mut self, now: Nanos, id: u32) {
        let work = self.work.draw(&mut self.random) * self.slowness;
        match &mut self.kind {
            Kind::Pool(pool) => pool.submit(now, id, work),
            Kind::Shared(shared) => shared.submit(now, id, work),
            Kind::Bucket(bucket) => bucket.submit(now, id, work),
        }
    }

    pub(crate) fn cancel(&mut self, now: Nanos, id: u32) {
        match &mut self.kind {
            Kind::Pool(pool) => pool.cancel(now, id),
            Kind::Shared(shared) => shared.cancel(now, id),
            Kind::Bucket(bucket) => bucket.cancel(id),
        }
    }

    /// When the next request will be done, if nothing else happens.
    pub(crate) fn next(&mut self) -> Nanos {
        match &mut self.kind {
            Kind::Pool(pool) => pool.next(),
            Kind::Shared(shared) => shared.next(),
            Kind::Bucket(bucket) => bucket.next(),
        }
        .unwrap_or(NEVER)
    }

    /// Ends the request that [`next`](Self::next) is about.
    pub(crate) fn complete(&mut self, now: Nanos) -> Option<Done> {
        match &mut self.kind {
            Kind::Pool(pool) => pool.complete(now).map(|id| Done { id, served: true }),
            Kind::Shared(shared) => shared.complete(now).map(|id| Done { id, served: true }),
            Kind::Bucket(bucket) => bucket.complete(),
        }
    }

    pub(crate) fn change(&mut self, now: Nanos, change: Change) {
        match (change, &mut self.kind) {
            (Change::Slowness(slowness), _) => self.slowness = slowness,
            (Change::Slots(slots), Kind::Pool(pool)) => pool.resize(now, slots),
            (Change::Slots(slots), Kind::Shared(shared)) => shared.resize(now, slots),
            (Change::Slots(_), Kind::Bucket(_)) => {}
        }
    }
}
