//! The table of requests that are not over yet.
//!
//! A table and not a counter, since at the end of a shutdown somebody wants to know *which* requests are stuck. Whoever
//! reads it pays for that, and a request does not: it has a place that nobody else writes, which it enters and
//! leaves with one atomic exchange each. A place is made under a lock, and can be entered again and again.

mod place;

use std::{fmt, sync::Arc};

use slab::Slab;

use self::place::Place;
use crate::{
    context::RequestContext,
    sync::{Mutex, Notify, lock},
};

/// The table of requests in flight: from a request's head until the last frame of its response is handed to the
/// transport, or its drop. Cheap to clone; clones are one table.
#[derive(Clone)]
pub struct InFlight {
    table: Arc<Table>,
}

struct Table {
    /// Whoever looks into places holds this lock, so that they are one at a time.
    places: Mutex<Slab<Arc<Place>>>,
    /// Touched only when somebody waits.
    left: Notify,
}

/// A request's place in the table of those in flight, left when this is dropped.
#[must_use = "the request leaves the table when this is dropped"]
pub struct InFlightGuard {
    table: Arc<Table>,
    place: Arc<Place>,
    key: usize,
    has_name: bool,
}

impl InFlight {
    /// An empty table.
    #[expect(clippy::new_without_default, reason = "a table is shared by name, never made in passing")]
    pub fn new() -> Self {
        Self { table: Arc::new(Table { places: Mutex::new(Slab::new()), left: Notify::new() }) }
    }

    /// Puts a request into the table until the returned guard is dropped.
    ///
    /// A request without a context is counted, and has no name.
    pub fn enter(&self, context: Option<RequestContext>) -> InFlightGuard {
        let mut guard = self.place();
        guard.enter(context);
        guard
    }

    /// A place in the table with no request in it yet. It costs a lock and an allocation, which to
    /// [`enter`](InFlightGuard::enter) it does not: for whoever has many requests, one after the other.
    pub fn place(&self) -> InFlightGuard {
        let place = Arc::new(Place::new());
        let key = lock(&self.table.places).insert(Arc::clone(&place));
        InFlightGuard { table: Arc::clone(&self.table), place, key, has_name: false }
    }

    /// How many requests are in flight. Counted one by one: exact when none comes or goes meanwhile.
    pub fn len(&self) -> usize {
        lock(&self.table.places).iter().filter(|(_, place)| place.is_taken()).count()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `each` with the context of every request in flight, or `None` for one that has no context.
    ///
    /// Whatever is in flight from before the first call until after the last is seen, once. No lock is held during the
    /// calls, and none for longer than it takes to copy 64 entries: a request that leaves meanwhile hardly waits.
    pub fn for_each(&self, mut each: impl FnMut(Option<&RequestContext>)) {
        let mut seen = Vec::with_capacity(AT_A_TIME);
        // Keys from here on belong to who entered later.
        let end = lock(&self.table.places).capacity();
        for from in (0..end).step_by(AT_A_TIME) {
            let keys = from..end.min(from + AT_A_TIME);
            {
                let places = lock(&self.table.places);
                seen.extend(keys.filter_map(|key| places.get(key)?.look()));
            }
            seen.drain(..).for_each(|entry: Option<RequestContext>| each(entry.as_ref()));
        }
    }

    /// Waits for a moment at which none is in flight; requests that enter meanwhile are waited for too.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    pub async fn drained(&self) {
        let mut key = 0;
        loop {
            // Made before the look, it hears every departure after it.
            let left = self.table.left.notified();
            match self.table.await_one(key) {
                None => return,
                Some(awaited) => key = awaited,
            }
            left.await;
        }
    }
}

impl Table {
    /// Finds a request to wait for, from this key on, and has its departure told of; `None` if no request is in flight.
    ///
    /// While that one is there the table is not empty, so nobody has to hear of any other.
    fn await_one(&self, from: usize) -> Option<usize> {
        let places = lock(&self.places);
        loop {
            let keys = (from..places.capacity()).chain(0..from);
            let awaited =
                keys.filter_map(|key| Some((key, places.get(key)?))).find(|(_, place)| place.is_awaited());
            if let Some((key, _)) = awaited {
                return Some(key);
            }
            if is_empty_at_once(&places) {
                return None;
            }
        }
    }
}

/// Whether all places are free at one moment, and not each at another: one could be entered after the look at it, while the
/// next is left.
fn is_empty_at_once(places: &Slab<Arc<Place>>) -> bool {
    let turns = || places.iter().map(|(_, place)| place.turn()).fold(0, u64::wrapping_add);
    // No turn goes back: if the sum has not changed, none of them has.
    let before = turns();
    places.iter().all(|(_, place)| !place.is_taken()) && turns() == before
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight").field("len", &self.len()).finish()
    }
}

impl InFlightGuard {
    /// Puts a request into the place, and whichever was there before out of it.
    #[inline]
    pub fn enter(&mut self, context: Option<RequestContext>) {
        self.leave();
        self.has_name = context.is_some();
        self.place.take(context);
    }

    /// Takes the request out of the table, and keeps the place. Nothing happens if none is in there.
    #[inline]
    pub fn leave(&mut self) {
        if !self.place.is_taken() {
            return;
        }
        let context = self.place.give_back();
        if context.is_none() && self.has_name {
            self.take_from_reader();
        }
        drop(context);
        if self.place.was_awaited() {
            self.table.left.notify_waiters();
        }
    }

    /// Somebody looks at the context just now, and puts it back before the lock is free.
    #[cold]
    fn take_from_reader(&self) {
        let looking = lock(&self.table.places);
        let context = self.place.empty();
        // The last handle of a context may free it: not under the lock.
        drop(looking);
        drop(context);
    }
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.leave();
        lock(&self.table.places).remove(self.key);
    }
}

impl fmt::Debug for InFlightGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlightGuard").finish_non_exhaustive()
    }
}

const AT_A_TIME: usize = 64;
