//! What every request touches, split so that threads do not wait for each other's cache line.

use std::{fmt, ops::Deref, sync::Arc};

use crate::sync::number_of_this_thread;

/// A value for each thread that the machine can run at once. Cheap to clone; clones are one.
///
/// A counter that every request adds to, in one place, is a cache line that every processor waits for. Here each
/// thread has a [share](Self::mine) of its own, and whoever wants the whole goes through [all of them](Self::iter).
pub struct Sharded<T> {
    shards: Arc<[Arc<Share<T>>]>,
}

/// One thread's share of a [`Sharded`]. Its reference count is next to it, so holding one is as cheap as reading it.
#[derive(Debug)]
// Two cache lines, since processors fetch them in pairs.
#[repr(align(128))]
pub struct Share<T>(T);

impl<T> Sharded<T> {
    /// A share made by `share` for each thread that the machine can run at once.
    pub fn new(share: impl Fn() -> T) -> Self {
        Self::with_shares(threads(), share)
    }

    /// So many shares, rounded up to a power of two: a thread finds its own without a division.
    pub fn with_shares(shares: usize, share: impl Fn() -> T) -> Self {
        Self { shards: (0..shares.next_power_of_two()).map(|_| Arc::new(Share(share()))).collect() }
    }

    /// The calling thread's share. Threads take shares in turn, so where there are more threads some have the same.
    #[inline]
    pub fn mine(&self) -> &Arc<Share<T>> {
        &self.shards[number_of_this_thread() & (self.shards.len() - 1)]
    }

    /// All shares.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Share<T>>> {
        self.shards.iter()
    }
}

impl<T> Deref for Share<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> Clone for Sharded<T> {
    fn clone(&self) -> Self {
        Self { shards: Arc::clone(&self.shards) }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sharded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.shards.iter()).finish()
    }
}

/// How many threads the machine can run at once, rounded up to a power of two.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(4, usize::from).next_power_of_two()
}
