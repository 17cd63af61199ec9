//! All connections of a server, and what they share.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError,
    atomic::{
        AtomicBool, AtomicU8, AtomicU64,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
    },
};

use tokio::{
    sync::Notify,
    time::{Duration, Instant},
};

use crate::{
    conn::{Conn, NOT_WAITING},
    door::{Room, Rooms, Seat},
    figures::Figures,
    mechanism::Mechanism,
    order::Order,
};

/// The connections of a server, their orders and their figures.
pub(crate) struct House {
    epoch: Instant,
    order: AtomicU8,
    drain_since: AtomicU64,
    rooms: Mutex<Rooms>,
    pub(crate) emptied: Notify,
    /// The accept loop waits for room.
    wanted: AtomicBool,
    room: Notify,
    pub(crate) figures: Figures,
    /// Requests that were discarded before it was told anything.
    discarded_before: OnceLock<u64>,
    #[cfg(feature = "fault-injection")]
    pub(crate) without: Option<Mechanism>,
}

impl House {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            order: AtomicU8::new(Order::Serve as u8),
            drain_since: AtomicU64::new(0),
            rooms: Mutex::new(Rooms::new()),
            emptied: Notify::new(),
            wanted: AtomicBool::new(false),
            room: Notify::new(),
            figures: Figures::default(),
            discarded_before: OnceLock::new(),
            #[cfg(feature = "fault-injection")]
            without: None,
        }
    }

    /// Nanoseconds from the house's opening to `at`.
    pub(crate) fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(NOT_WAITING - 1)
    }

    pub(crate) fn order(&self) -> Order {
        Order::ALL[usize::from(self.order.load(SeqCst))]
    }

    /// When draining began. Meaningful from [`Order::Drain`] on.
    pub(crate) fn drain_since(&self) -> Instant {
        self.epoch + Duration::from_nanos(self.drain_since.load(Acquire))
    }

    /// Tells every connection.
    ///
    /// Those that are open hear of it a few at a time, and whoever else has something to do has a turn in between: for each
    /// of ten thousand idle ones the kernel is asked, and their end is written. The end of all waits for nobody.
    pub(crate) fn tell(self: &Arc<Self>, order: Order) {
        self.set_order(order);
        if order == Order::Cut {
            self.all().iter().for_each(|conn| conn.task.wake());
        } else if self.has(Mechanism::Wake) {
            tokio::spawn(Arc::clone(self).wake_all());
        }
    }

    async fn wake_all(self: Arc<Self>) {
        for few in self.all().chunks(AT_ONCE) {
            few.iter().for_each(|conn| conn.task.wake());
            tokio::task::yield_now().await;
        }
    }

    fn set_order(&self, order: Order) {
        if order == Order::Drain {
            self.drain_since.store(self.nanos(Instant::now()), Release);
        }
        self.discarded_before.get_or_init(|| self.figures.discarded_requests.get());
        self.order.store(order as u8, SeqCst);
    }

    /// Its lock is held for a moment, and no other is taken under it.
    pub(crate) fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn all(&self) -> Vec<Arc<Conn>> {
        self.rooms().iter().cloned().collect()
    }

    /// Takes a room for `conn`, whether or not there is one.
    pub(crate) fn enter(&self, conn: Arc<Conn>, seat: Option<Seat>) -> Room {
        self.figures.accepted.add(1);
        self.rooms().take(conn, seat)
    }

    /// Waits until a connection more may be open, and asks the longest-waiting one to leave meanwhile.
    pub(crate) async fn make_room(&self, max_connections: usize) {
        loop {
            // Before the look, so that no change is missed in between.
            self.wanted.store(true, SeqCst);
            if self.rooms().has_room(max_connections) {
                break;
            }
            self.room.notified().await;
        }
        self.wanted.store(false, Relaxed);
    }

    /// Waits until this holds, which a connection's end may bring about.
    #[cfg(feature = "axum")]
    pub(crate) async fn until(&self, holds: impl Fn() -> bool) {
        loop {
            self.wanted.store(true, SeqCst);
            if holds() {
                return;
            }
            self.room.notified().await;
        }
    }

    /// A connection has begun to wait, or ended.
    pub(crate) fn somebody_waits(&self) {
        if self.wanted.load(SeqCst) {
            self.room.notify_one();
        }
    }

    /// A connection that may have been asked to make room will not.
    pub(crate) fn stays(&self, conn: &Conn) {
        self.rooms().stays(conn);
        self.somebody_waits();
    }

    /// Requests that were discarded since it was told something.
    pub(crate) fn discarded_requests(&self) -> u64 {
        let all = self.figures.discarded_requests.get();
        all - self.discarded_before.get().unwrap_or(&all)
    }

    /// Waits until no connection is left.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            let mut emptied = std::pin::pin!(emptied);
            emptied.as_mut().enable();
            if self.rooms().len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> u64 {
        let rooms = self.rooms();
        let live: u64 = rooms.iter().map(|conn| conn.requests()).sum();
        live + self.figures.requests_of_closed.get()
    }
}

/// Connections that are woken before others have a turn.
const AT_ONCE: usize = 64;
