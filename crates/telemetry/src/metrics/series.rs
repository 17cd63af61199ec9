//! Series by their labels, found without a lock, a hash of a text, or an allocation.

use std::sync::{
    Mutex, OnceLock, PoisonError,
    atomic::{
        AtomicBool, AtomicU32, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
};

use macadam_core::{Route, Sharded};

use super::labels::Labels;

/// A cell for each combination of labels, on each thread.
///
/// The labels' [key](Labels::key) is looked up in a table with open addressing, which only grows, up to [`LIMIT`] series;
/// whatever more there is, is one series that says so. A lock is taken to add a series, and never again for it.
pub(crate) struct Series<C> {
    table: Box<[Place]>,
    /// The labels of each series, in the order of their numbers. The first is what found no place.
    labels: Box<[OnceLock<Identity>]>,
    count: Mutex<u32>,
    /// There are more than there is place for.
    overflows: AtomicBool,
    shards: Sharded<Chunks<C>>,
}

/// The labels of a series, and the route that they are of.
pub(crate) type Identity = (Labels, Option<Route>);

/// Where a key may stand; 0 is free.
#[derive(Default)]
struct Place {
    key: AtomicU64,
    /// Of its series. Written before the key is.
    number: AtomicU32,
}

/// One thread's cells, made as their series appear.
struct Chunks<C>(Box<[OnceLock<Box<[C]>>]>);

impl<C: Default + Sync> Series<C> {
    pub(crate) fn new() -> Self {
        Self {
            table: (0..PLACES).map(|_| Place::default()).collect(),
            labels: (0..LIMIT).map(|_| OnceLock::new()).collect(),
            count: Mutex::new(1),
            overflows: AtomicBool::new(false),
            shards: Sharded::new(|| Chunks((0..LIMIT / CHUNK).map(|_| OnceLock::new()).collect())),
        }
    }

    /// This thread's cell of the series with these labels, which are of this route.
    #[inline]
    pub(crate) fn cell(&self, labels: Labels, route: Option<Route>) -> &C {
        let key = labels.key();
        let number = match self.find(key) {
            Ok(number) => number,
            Err(_) if self.overflows.load(Relaxed) => OVERFLOW,
            Err(_) => self.add(labels, route),
        };
        self.shards.mine().get(number as usize)
    }

    /// The number of the series with this key, or else the place where the key would stand.
    #[inline]
    fn find(&self, key: u64) -> Result<u32, usize> {
        // Fibonacci hashing: the upper bits of the product depend on all of the key's.
        let mut at = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - PLACES.ilog2())) as usize;
        loop {
            let place = &self.table[at];
            match place.key.load(Acquire) {
                0 => return Err(at),
                found if found == key => return Ok(place.number.load(Relaxed)),
                // The table is never more than half full, so this ends.
                _ => at = (at + 1) % PLACES,
            }
        }
    }

    #[cold]
    fn add(&self, labels: Labels, route: Option<Route>) -> u32 {
        let key = labels.key();
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        let free = match self.find(key) {
            Ok(number) => return number,
            Err(free) => free,
        };
        let number = *count;
        if number as usize == LIMIT {
            self.overflows.store(true, Relaxed);
            return OVERFLOW;
        }
        *count += 1;
        let _ = self.labels[number as usize].set((labels, route));
        self.table[free].number.store(number, Relaxed);
        self.table[free].key.store(key, Release);
        number
    }

    /// Calls `each` for every series with its cells: with no labels for that of all that found no place, if there is any.
    pub(crate) fn for_each(&self, mut each: impl FnMut(Option<&Identity>, &mut dyn Iterator<Item = &C>)) {
        let count = *self.count.lock().unwrap_or_else(PoisonError::into_inner) as usize;
        let first = usize::from(!self.overflows.load(Relaxed));
        for number in first..count {
            each(self.labels[number].get(), &mut self.shards.iter().filter_map(|shard| shard.read(number)));
        }
    }
}

impl<C: Default> Chunks<C> {
    #[inline]
    fn get(&self, number: usize) -> &C {
        let chunk = self.0[number / CHUNK].get_or_init(|| (0..CHUNK).map(|_| C::default()).collect());
        &chunk[number % CHUNK]
    }

    fn read(&self, number: usize) -> Option<&C> {
        Some(&self.0[number / CHUNK].get()?[number % CHUNK])
    }
}

/// As many series of one metric as OpenTelemetry's SDK keeps, to the next power of two.
const LIMIT: usize = 2048;
const PLACES: usize = 2 * LIMIT;
/// Of so many series a thread makes the cells at once.
const CHUNK: usize = 16;
const OVERFLOW: u32 = 0;

#[cfg(test)]
mod tests {
    use std::{sync::Barrier, thread};

    use http::{Request, StatusCode};
    use macadam_core::Wire;

    use super::*;
    use crate::metrics::labels::Scheme;

    fn cell(series: &Series<AtomicU64>, route: Option<Route>, status: u16) -> &AtomicU64 {
        let labels = Labels::of(&Wire::of(&Request::new(())), None, Scheme::Http);
        series.cell(labels.answered(route, StatusCode::from_u16(status).ok()), route)
    }

    fn counts(series: &Series<AtomicU64>) -> Vec<(Option<u64>, u64)> {
        let mut counts = Vec::new();
        series.for_each(|labels, cells| {
            let status = labels.map(|(labels, _)| labels.status());
            counts.push((status, cells.map(|cell| cell.load(Relaxed)).sum()));
        });
        counts
    }

    #[test]
    fn threads_that_meet_a_series_at_the_same_time_make_it_once_and_lose_no_count() {
        let series = Series::<AtomicU64>::new();
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for round in 0..1_000 {
                        cell(&series, None, 200 + round % 100).fetch_add(1, Relaxed);
                    }
                });
            }
        });
        let counts = counts(&series);
        assert_eq!(counts.len(), 100);
        assert!(counts.iter().all(|(status, count)| status.is_some() && *count == 40), "{counts:?}");
    }

    #[test]
    fn what_is_beyond_the_limit_is_one_series_more() {
        let series = Series::<AtomicU64>::new();
        let routes = (LIMIT + 10).div_ceil(900);
        for route in 0..routes {
            let route = Route::intern(&format!("/limit/{route}"));
            for status in 100..1000 {
                cell(&series, Some(route), status).fetch_add(1, Relaxed);
            }
        }
        let counts = counts(&series);
        assert_eq!(counts.len(), LIMIT);
        assert_eq!(counts[0], (None, (routes * 900 - (LIMIT - 1)) as u64));
        assert!(counts[1..].iter().all(|(labels, count)| labels.is_some() && *count == 1));
        // One that was there before is still its own.
        assert_eq!(cell(&series, Some(Route::intern("/limit/0")), 100).load(Relaxed), 1);
    }
}
