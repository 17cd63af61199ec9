//! The table of requests that are not over yet.
//!
//! A table and not a counter, since at the end of a shutdown somebody wants to know *which* requests are stuck. It is
//! sharded by thread: an entry is made and removed under two short, uncontended locks, its reference count lives in the
//! shard too, and once a shard has grown to its high-water mark nothing is allocated.

use std::{fmt, sync::Arc};

use slab::Slab;

use crate::{
    context::RequestContext,
    sharded::{Sharded, Share, threads},
    sync::{Mutex, Notify, lock},
};

/// The table of requests in flight: from a request's head until the last frame of its response is handed to the
/// transport, or its drop. Cheap to clone; clones are one table.
#[derive(Clone)]
pub struct InFlight {
    shards: Sharded<Shard>,
    /// Touched only when somebody waits.
    emptied: Arc<Notify>,
}

struct Shard {
    table: Mutex<Table>,
    /// The table's own.
    emptied: Arc<Notify>,
}

struct Table {
    entries: Slab<Option<RequestContext>>,
    /// Somebody waits in [`InFlight::drained`]. Under the lock, so that no removal can miss it.
    watched: bool,
}

impl InFlight {
    /// An empty table, with a shard for each thread that the machine can run at once.
    #[expect(clippy::new_without_default, reason = "a table is shared by name, never made in passing")]
    pub fn new() -> Self {
        Self::with_shards(threads())
    }

    /// An empty table with so many shards, at least one.
    pub fn with_shards(shards: usize) -> Self {
        let emptied = Arc::new(Notify::new());
        let shard = || {
            let table = Mutex::new(Table { entries: Slab::new(), watched: false });
            Shard { table, emptied: Arc::clone(&emptied) }
        };
        Self { shards: Sharded::with_shares(shards, shard), emptied }
    }

    /// Puts a request into the table until the returned guard is dropped.
    ///
    /// A request without a context is counted, and has no name.
    pub fn enter(&self, context: Option<RequestContext>) -> InFlightGuard {
        let shard = Arc::clone(self.shards.mine());
        let key = lock(&shard.table).entries.insert(context);
        InFlightGuard { shard, key }
    }

    /// How many requests are in flight. Counted shard by shard: exact when none comes or goes meanwhile.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(&shard.table).entries.len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `each` with the context of every request in flight, or `None` for one that has no context.
    ///
    /// Whatever is in flight from before the first call until after the last is seen, once. No lock is held during the
    /// calls, and none for longer than it takes to copy 64 entries: a request that enters or leaves meanwhile hardly waits.
    pub fn for_each(&self, mut each: impl FnMut(Option<&RequestContext>)) {
        let mut seen = Vec::with_capacity(AT_A_TIME);
        for shard in self.shards.iter() {
            // Keys from here on belong to who entered later.
            let end = lock(&shard.table).entries.capacity();
            for from in (0..end).step_by(AT_A_TIME) {
                let keys = from..end.min(from + AT_A_TIME);
                {
                    let table = lock(&shard.table);
                    seen.extend(keys.filter_map(|key| table.entries.get(key).cloned()));
                }
                seen.drain(..).for_each(|entry: Option<RequestContext>| each(entry.as_ref()));
            }
        }
    }

    /// Waits for a moment at which none is in flight; requests that enter meanwhile are waited for too.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    pub async fn drained(&self) {
        loop {
            // Made before the look, it hears every removal after it.
            let emptied = self.emptied.notified();
            if self.watch() {
                return;
            }
            emptied.await;
        }
    }

    /// Asks every shard to wake when it is emptied, and says whether all are empty now.
    fn watch(&self) -> bool {
        // All locks at once, here alone. Shard by shard, one could fill after the look at it while the next empties.
        let mut tables: Vec<_> = self.shards.iter().map(|shard| lock(&shard.table)).collect();
        tables.iter_mut().for_each(|table| table.watched = true);
        tables.iter().all(|table| table.entries.is_empty())
    }
}

impl fmt::Debug for InFlight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlight").field("len", &self.len()).finish()
    }
}

/// A request's place in the table of those in flight, left when this is dropped.
#[must_use = "the request leaves the table when this is dropped"]
pub struct InFlightGuard {
    shard: Arc<Share<Shard>>,
    key: usize,
}

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        let (context, wake) = {
            let mut table = lock(&self.shard.table);
            let context = table.entries.remove(self.key);
            (context, table.watched && table.entries.is_empty())
        };
        // The last handle of a context may free it: not under the lock.
        drop(context);
        if wake {
            self.shard.emptied.notify_waiters();
        }
    }
}

impl fmt::Debug for InFlightGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFlightGuard").finish_non_exhaustive()
    }
}

const AT_A_TIME: usize = 64;
