//! All connections of a server, and what they share.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{
        AtomicBool, AtomicU8, AtomicU64,
        Ordering::{Acquire, Relaxed, Release, SeqCst},
    },
};

use slab::Slab;
use tokio::{
    sync::Notify,
    time::{Duration, Instant},
};

use crate::{
    conn::{Conn, NOT_WAITING},
    reason::CloseReason,
};

/// What every connection is told. It only goes forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Order {
    Serve,
    /// Let clients go with their next answer.
    LameDuck,
    /// Finish, and let idle ones go.
    Drain,
    /// End at once.
    Cut,
}

impl Order {
    const ALL: [Self; 4] = [Self::Serve, Self::LameDuck, Self::Drain, Self::Cut];

    /// The one that comes after it.
    pub(crate) fn next(self) -> Self {
        Self::ALL.into_iter().find(|order| *order > self).unwrap_or(Self::Cut)
    }
}

/// The connections of a server, their orders and their figures.
pub(crate) struct House {
    epoch: Instant,
    order: AtomicU8,
    drain_since: AtomicU64,
    rooms: Mutex<Rooms>,
    emptied: Notify,
    /// The accept loop waits for room.
    wanted: AtomicBool,
    room: Notify,
    pub(crate) figures: Figures,
}

struct Rooms {
    taken: Slab<Arc<Conn>>,
    /// The longest-waiting connections at the last look, the longest last. A look costs a pass over all, so it finds
    /// a batch: whoever begins to wait later waits less long than any of these.
    candidates: Vec<(u64, Arc<Conn>)>,
    /// Asked to make room, and not gone yet.
    leaving: usize,
}

/// What only ever grows. Requests are counted by each connection, so that no request touches a shared line.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) accepted: AtomicU64,
    pub(crate) accept_errors: AtomicU64,
    pub(crate) requests_of_closed: AtomicU64,
    pub(crate) closes: [AtomicU64; CloseReason::ALL.len()],
    pub(crate) discarded_bytes: AtomicU64,
    pub(crate) lost_when_idle: AtomicU64,
}

/// A connection's place among the others, given up when this is dropped.
pub(crate) struct Room {
    conn: Arc<Conn>,
    key: usize,
}

impl House {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            order: AtomicU8::new(Order::Serve as u8),
            drain_since: AtomicU64::new(0),
            rooms: Mutex::new(Rooms { taken: Slab::new(), candidates: Vec::new(), leaving: 0 }),
            emptied: Notify::new(),
            wanted: AtomicBool::new(false),
            room: Notify::new(),
            figures: Figures::default(),
        }
    }

    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
    pub(crate) fn tell(&self, order: Order) {
        if order == Order::Drain {
            self.drain_since.store(self.nanos(Instant::now()), Release);
        }
        self.order.store(order as u8, SeqCst);
        for conn in self.all() {
            conn.task.wake();
        }
    }

    pub(crate) fn all(&self) -> Vec<Arc<Conn>> {
        self.rooms().taken.iter().map(|(_, conn)| Arc::clone(conn)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.rooms().taken.len()
    }

    /// Takes a room for `conn`, whether or not there is one.
    pub(crate) fn enter(&self, conn: Arc<Conn>) -> Room {
        self.figures.accepted.fetch_add(1, Relaxed);
        let key = self.rooms().taken.insert(Arc::clone(&conn));
        Room { conn, key }
    }

    /// Waits until a connection more may be open, and asks the longest-waiting one to leave meanwhile.
    pub(crate) async fn make_room(&self, max_connections: usize) {
        loop {
            // Before the look, so that no change is missed in between.
            self.wanted.store(true, SeqCst);
            {
                let mut rooms = self.rooms();
                if rooms.taken.len() < max_connections {
                    break;
                }
                if rooms.taken.len() - rooms.leaving >= max_connections {
                    if let Some(conn) = rooms.longest_waiting() {
                        rooms.leaving += 1;
                        conn.ask_to_leave();
                    }
                }
            }
            self.room.notified().await;
        }
        self.wanted.store(false, Relaxed);
    }

    pub(crate) fn count_accept_error(&self) {
        self.figures.accept_errors.fetch_add(1, Relaxed);
    }

    /// A connection has begun to wait.
    pub(crate) fn somebody_waits(&self) {
        if self.wanted.load(SeqCst) {
            self.room.notify_one();
        }
    }

    /// A connection that was asked to make room has a request after all.
    pub(crate) fn stays(&self) {
        self.rooms().leaving -= 1;
        self.room.notify_one();
    }

    /// Waits until no connection is left.
    pub(crate) async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            let mut emptied = std::pin::pin!(emptied);
            emptied.as_mut().enable();
            if self.rooms().taken.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    /// All requests so far.
    pub(crate) fn requests(&self) -> u64 {
        let rooms = self.rooms();
        let live: u64 = rooms.taken.iter().map(|(_, conn)| conn.requests()).sum();
        live + self.figures.requests_of_closed.load(Relaxed)
    }
}

impl Rooms {
    fn longest_waiting(&mut self) -> Option<Arc<Conn>> {
        if let Some(found) = self.next_candidate() {
            return Some(found);
        }
        let waiting = self.taken.iter().map(|(_, conn)| (conn.waiting_since(), Arc::clone(conn)));
        self.candidates = waiting.filter(|(since, _)| *since != NOT_WAITING).collect();
        self.candidates.sort_unstable_by_key(|(since, _)| std::cmp::Reverse(*since));
        let batch = (self.taken.len() / BATCH).max(1);
        self.candidates.drain(..self.candidates.len().saturating_sub(batch));
        self.next_candidate()
    }

    fn next_candidate(&mut self) -> Option<Arc<Conn>> {
        while let Some((since, conn)) = self.candidates.pop() {
            if conn.waiting_since() == since && !conn.is_leaving() {
                return Some(conn);
            }
        }
        None
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let conn = &self.conn;
        let house = &conn.house;
        if std::thread::panicking() {
            conn.close_for(CloseReason::Panicked);
        }
        // It may still be among the candidates.
        conn.wait_no_more();
        let figures = &house.figures;
        let empty = {
            let mut rooms = house.rooms();
            rooms.taken.remove(self.key);
            if conn.is_leaving() {
                rooms.leaving -= 1;
            }
            // Under the lock, so that a reader of all requests sees them here or there, and not in both.
            figures.requests_of_closed.fetch_add(conn.requests(), Relaxed);
            rooms.taken.is_empty()
        };
        figures.closes[conn.reason() as usize].fetch_add(1, Relaxed);
        house.somebody_waits();
        if empty {
            house.emptied.notify_waiters();
        }
    }
}

/// A batch is this part of all connections.
const BATCH: usize = 64;
