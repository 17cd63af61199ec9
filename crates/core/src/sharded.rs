//! What every request touches, split so that threads do not wait for each other's cache line.

use std::{
    fmt,
    marker::PhantomData,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use crate::{
    sync::atomic::{
        AtomicU64,
        Ordering::{Relaxed, Release},
    },
    thread,
};

/// A value for each thread that writes to it. Cheap to clone; clones are one.
///
/// A counter that every request adds to, in one place, is a cache line that every processor waits for. Here each
/// thread has a [share](Self::mine) of its own, and whoever wants the whole goes through [all of them](Self::iter).
///
/// A share outlives its thread, and is then that of the next one. There are shares for four times as many threads as the
/// machine can run at once; what threads there are beyond have a few among them.
pub struct Sharded<T> {
    shares: Arc<Shares<T>>,
}

struct Shares<T> {
    /// Those of one thread each, then those of any.
    made: Box<[OnceLock<Arc<Share<T>>>]>,
    make: Box<dyn Fn() -> T + Send + Sync>,
}

/// One thread's share of a [`Sharded`]. Its reference count is next to it, so holding one is as cheap as reading it.
#[derive(Debug)]
// Two cache lines, since processors fetch them in pairs.
#[repr(align(128))]
pub struct Share<T>(T);

/// The calling thread's share of a [`Sharded`], in the hands of that thread, which it does not leave.
pub struct Mine<'a, T> {
    share: &'a Arc<Share<T>>,
    /// No other thread has this share.
    alone: bool,
    stays: PhantomData<*const ()>,
}

impl<T> Sharded<T> {
    /// Each share is made by `share` when a thread first asks for it.
    pub fn new(share: impl Fn() -> T + Send + Sync + 'static) -> Self {
        let made = (0..own() + COMMON).map(|_| OnceLock::new()).collect();
        Self { shares: Arc::new(Shares { made, make: Box::new(share) }) }
    }

    /// The calling thread's share.
    #[inline]
    pub fn mine(&self) -> Mine<'_, T> {
        let Shares { made, make } = &*self.shares;
        let own = made.len() - COMMON;
        let (index, alone) = match thread::number() {
            Some(number) if number < own => (number, true),
            number => (own + number.unwrap_or(0) % COMMON, false),
        };
        let share = made[index].get_or_init(|| Arc::new(Share(make())));
        Mine { share, alone, stays: PhantomData }
    }

    /// All shares that there are.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Share<T>>> {
        self.shares.made.iter().filter_map(OnceLock::get)
    }
}

impl<T> Mine<'_, T> {
    /// Adds to a count of this share, to which nothing is added in another way.
    ///
    /// What no other thread writes takes no read-modify-write, which costs more than all else that is done to count. Who
    /// reads the sum with `Acquire` sees what this thread did before.
    #[inline]
    pub fn add(&self, count: &AtomicU64, by: u64) {
        if self.alone {
            count.store(count.load(Relaxed).wrapping_add(by), Release);
        } else {
            count.fetch_add(by, Release);
        }
    }

    /// The share, to be kept and taken anywhere.
    #[inline]
    pub fn hold(&self) -> Arc<Share<T>> {
        Arc::clone(self.share)
    }
}

impl<T> Deref for Mine<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.share.0
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
        Self { shares: Arc::clone(&self.shares) }
    }
}

impl<T: fmt::Debug> fmt::Debug for Sharded<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<T: fmt::Debug> fmt::Debug for Mine<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mine").field(&**self).finish()
    }
}

/// How many shares are of one thread each.
#[cfg(not(macadam_loom))]
fn own() -> usize {
    std::thread::available_parallelism().map_or(4, usize::from).max(4) * 4
}

/// How many are of all threads beyond those.
#[cfg(not(macadam_loom))]
const COMMON: usize = 16;

// So few that three threads have shares of both kinds.
#[cfg(macadam_loom)]
fn own() -> usize {
    1
}

#[cfg(macadam_loom)]
const COMMON: usize = 1;

#[cfg(all(test, not(macadam_loom)))]
mod tests {
    use std::{sync::Barrier, thread};

    use super::*;

    #[test]
    fn of_more_threads_than_there_are_shares_none_loses_a_count() {
        let (threads, all) = (own() + COMMON + 8, Barrier::new(own() + COMMON + 8));
        let counts = Sharded::new(|| AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    counts.mine().add(&counts.mine(), 1);
                    // Until here each has a number of its own.
                    all.wait();
                    (1..10_000).for_each(|_| counts.mine().add(&counts.mine(), 1));
                });
            }
        });
        let sum: u64 = counts.iter().map(|count| count.load(Relaxed)).sum();
        assert_eq!(sum, threads as u64 * 10_000);
    }

    #[test]
    fn shares_are_made_for_who_asks_and_handed_down_with_what_is_in_them() {
        let counts = Sharded::new(|| AtomicU64::new(0));
        assert_eq!(counts.iter().count(), 0);
        for _ in 0..100 {
            thread::scope(|scope| {
                scope.spawn(|| counts.mine().add(&counts.mine(), 1));
            });
        }
        let sum: u64 = counts.iter().map(|count| count.load(Relaxed)).sum();
        assert_eq!(sum, 100);
        assert!(counts.iter().count() < 50, "threads of other tests come between, but not that many");
    }
}
