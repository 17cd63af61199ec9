//! Which connections are open, and which one goes when there are too many.

use std::{cmp::Reverse, sync::Arc};

use slab::Slab;

use super::addresses::Seat;
use crate::{
    conn::{Conn, NOT_WAITING},
    reason::CloseReason,
};

/// The connections that are open.
pub(crate) struct Rooms {
    taken: Slab<Arc<Conn>>,
    /// The longest-waiting connections at the last look, the longest last. A look costs a pass over all, so it finds
    /// a batch: whoever begins to wait later waits less long than any of these.
    candidates: Vec<(u64, Arc<Conn>)>,
    /// Asked to make room, and not gone yet.
    leaving: usize,
}

/// A connection's place among the others, given up when this is dropped.
pub(crate) struct Room {
    conn: Arc<Conn>,
    key: usize,
    _seat: Option<Seat>,
}

impl Rooms {
    pub(crate) fn new() -> Self {
        Self { taken: Slab::new(), candidates: Vec::new(), leaving: 0 }
    }

    pub(crate) fn take(&mut self, conn: Arc<Conn>, seat: Option<Seat>) -> Room {
        let key = self.taken.insert(Arc::clone(&conn));
        Room { conn, key, _seat: seat }
    }

    fn give_up(&mut self, key: usize) {
        let conn = self.taken.remove(key);
        self.stays(&conn);
    }

    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Conn>> {
        self.taken.iter().map(|(_, conn)| conn)
    }

    /// Whether fewer are open than may be. If not, and nobody is on the way out for it, the longest-waiting one is
    /// asked to leave.
    pub(crate) fn has_room(&mut self, max_connections: usize) -> bool {
        if self.len() < max_connections {
            return true;
        }
        if self.len() - self.leaving >= max_connections {
            if let Some(conn) = self.longest_waiting() {
                self.leaving += 1;
                conn.ask_to_leave();
            }
        }
        false
    }

    /// This one is no longer on its way out. Under the lock under which it was asked, so that no asking is missed.
    pub(crate) fn stays(&mut self, conn: &Conn) {
        self.leaving -= usize::from(conn.stop_leaving());
    }

    fn longest_waiting(&mut self) -> Option<Arc<Conn>> {
        if let Some(found) = self.next_candidate() {
            return Some(found);
        }
        let all = self.taken.iter().map(|(_, conn)| (conn.waiting_since(), Arc::clone(conn)));
        let mut waiting: Vec<_> = all.filter(|(since, _)| *since != NOT_WAITING).collect();
        waiting.sort_unstable_by_key(|(since, _)| Reverse(*since));
        let batch = (self.len() / BATCH).max(1);
        self.candidates = waiting.split_off(waiting.len().saturating_sub(batch));
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
        let is_last = {
            let mut rooms = house.rooms();
            rooms.give_up(self.key);
            // Under the lock, so that who adds up all requests finds them here or there, and not in both.
            house.figures.requests_of_closed.add(conn.requests());
            rooms.len() == 0
        };
        house.figures.closes(conn.reason()).add(1);
        house.somebody_waits();
        if is_last {
            house.emptied.notify_waiters();
        }
    }
}

/// A batch is this part of all connections.
const BATCH: usize = 64;
