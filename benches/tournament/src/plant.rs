//! What stands behind a layer, and has only so much room.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use http::{Request, Response};
use tokio::sync::{Semaphore, SemaphorePermit};
use tower::Service;

use crate::{clockwork::sleep, deck::Deck};

/// Which plant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// 16 slots with a queue of its own, first come first served, 20 ms lognormal: a pool of database connections.
    Pool,
    /// The same pool, with one in twenty requests twenty times as slow.
    PoolWithSlowOnes,
    /// No queue, and everybody in everybody's way: a request that begins as the *n*th takes
    /// 10 ms × (1 + 0.0025 *n* (*n* − 1)), the coherence term of Gunther's law. It does most at about 20, 57 % of that at 64.
    Contended,
}

impl Kind {
    /// Its name in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pool => "FIFO pool",
            Self::PoolWithSlowOnes => "FIFO pool, 5 % 20× slower",
            Self::Contended => "contended",
        }
    }

    fn deck(self) -> Deck {
        match self {
            Self::Pool => Deck::lognormal(DECK_SEED, POOL_MEAN),
            Self::PoolWithSlowOnes => Deck::with_slow_ones(DECK_SEED, POOL_MEAN),
            Self::Contended => Deck::lognormal(DECK_SEED, CONTENDED_MEAN),
        }
    }
}

/// What changes in the course of a run.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// The pool has so many slots from now on; who runs, runs on.
    Slots(u32),
    /// Services that begin from now on take so many per cent of their time.
    Pace(u32),
}

/// A plant. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Plant {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    kind: Kind,
    deck: Mutex<Deck>,
    pool: Semaphore,
    slots: Mutex<Slots>,
    pace: AtomicU32,
    running: AtomicU64,
}

#[derive(Debug)]
struct Slots {
    total: u32,
    /// How many have yet to be taken away, when those who hold them are done.
    owed: u32,
}

impl Plant {
    /// A fresh one.
    pub fn new(kind: Kind) -> Self {
        Self {
            shared: Arc::new(Shared {
                kind,
                deck: Mutex::new(kind.deck()),
                pool: Semaphore::new(SLOTS as usize),
                slots: Mutex::new(Slots { total: SLOTS, owed: 0 }),
                pace: AtomicU32::new(100),
                running: AtomicU64::new(0),
            }),
        }
    }

    /// Binds at once: nobody who waits gets a slot that has gone.
    pub fn change(&self, change: Change) {
        match change {
            Change::Pace(percent) => self.shared.pace.store(percent, Ordering::Relaxed),
            Change::Slots(total) => self.shared.resize(total),
        }
    }
}

impl Shared {
    fn resize(&self, total: u32) {
        let mut slots = self.slots.lock().expect("nobody panics with it");
        if total < slots.total {
            let fewer = slots.total - total;
            slots.owed += fewer - self.pool.forget_permits(fewer as usize) as u32;
        } else {
            let more = total - slots.total;
            let forgiven = more.min(slots.owed);
            slots.owed -= forgiven;
            self.pool.add_permits((more - forgiven) as usize);
        }
        slots.total = total;
    }

    async fn serve(&self) {
        match self.kind {
            Kind::Pool | Kind::PoolWithSlowOnes => {
                let permit = self.pool.acquire().await.expect("it is never closed");
                let _slot = Slot { shared: self, permit: Some(permit) };
                sleep(self.service_time(1.0)).await;
            }
            Kind::Contended => {
                let running = Running::one_more(&self.running);
                let n = running.n as f64;
                sleep(self.service_time(1.0 + COHERENCE * n * (n - 1.0))).await;
            }
        }
    }

    fn service_time(&self, factor: f64) -> Duration {
        let dealt = self.deck.lock().expect("nobody panics with it").deal();
        dealt.mul_f64(factor * f64::from(self.pace.load(Ordering::Relaxed)) / 100.0)
    }
}

/// A slot of the pool, given back when the service is over or its client gone.
struct Slot<'a> {
    shared: &'a Shared,
    permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut slots = self.shared.slots.lock().expect("nobody panics with it");
        if slots.owed > 0 {
            slots.owed -= 1;
            if let Some(permit) = self.permit.take() {
                permit.forget();
            }
        }
    }
}

/// One that is served.
struct Running<'a> {
    count: &'a AtomicU64,
    /// As the how manieth it began.
    n: u64,
}

impl<'a> Running<'a> {
    fn one_more(count: &'a AtomicU64) -> Self {
        Self { count, n: count.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Service<Request<Body>> for Plant {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            shared.serve().await;
            Ok(Response::new(Body::from("ok")))
        })
    }
}

/// How many slots a pool has at the start.
pub const SLOTS: u32 = 16;

const POOL_MEAN: Duration = Duration::from_millis(20);
const CONTENDED_MEAN: Duration = Duration::from_millis(10);
const COHERENCE: f64 = 0.0025;
/// The deck belongs to the plant: it is the same whatever the seed of the arrivals.
const DECK_SEED: u64 = 20;
