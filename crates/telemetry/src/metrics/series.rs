//! Series by their labels, found without a lock, a hash of a text, or an allocation.

use std::sync::{Mutex, OnceLock, PoisonError};

use macadam_core::Route;

use super::labels::Labels;
use crate::sync::atomic::{
    AtomicBool, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// A number for each combination of labels.
///
/// The labels' [key](Labels::key) is looked up in a table with open addressing, which only grows, up to [`LIMIT`] series;
/// whatever more there is, is one series that says so. A lock is taken to add a series, and never again for it.
pub(crate) struct Series {
    table: Box<[Place]>,
    /// The labels of each series, in the order of their numbers. The first is what found no place.
    labels: Box<[OnceLock<Identity>]>,
    count: AtomicU32,
    /// Held by who adds one. Nobody who reads takes it: a request would wait for him.
    adding: Mutex<()>,
    /// There are more than there is place for.
    overflows: AtomicBool,
}

/// One thread's cells of the series of one metric, made as they are needed.
pub(crate) struct Cells<C>(Box<[OnceLock<Box<[C]>>]>);

/// The labels of a series, and the route that they are of.
pub(crate) type Identity = (Labels, Option<Route>);

/// Where a key may stand; 0 is free.
#[derive(Default)]
struct Place {
    key: AtomicU64,
    /// Of its series. Written before the key is.
    number: AtomicU32,
}

impl Series {
    pub(crate) fn new() -> Self {
        Self {
            table: (0..PLACES).map(|_| Place::default()).collect(),
            labels: (0..LIMIT).map(|_| OnceLock::new()).collect(),
            count: AtomicU32::new(1),
            adding: Mutex::new(()),
            overflows: AtomicBool::new(false),
        }
    }

    /// The number of the series with these labels, which are of this route.
    #[inline]
    pub(crate) fn number(&self, labels: Labels, route: Option<Route>) -> usize {
        let number = match self.find(labels.key()) {
            Ok(number) => number,
            Err(_) if self.overflows.load(Relaxed) => OVERFLOW,
            Err(_) => self.add(labels, route),
        };
        number as usize
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
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let free = match self.find(key) {
            Ok(number) => return number,
            Err(free) => free,
        };
        let number = self.count.load(Relaxed);
        if number as usize == LIMIT {
            self.overflows.store(true, Relaxed);
            return OVERFLOW;
        }
        let _ = self.labels[number as usize].set((labels, route));
        self.table[free].number.store(number, Relaxed);
        self.table[free].key.store(key, Release);
        self.count.store(number + 1, Release);
        number
    }

    /// Every series' number and labels: no labels for that of all that found no place.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, Option<&Identity>)> {
        let count = self.count.load(Acquire) as usize;
        (0..count).map(|number| (number, self.labels[number].get()))
    }
}

impl<C: Default> Cells<C> {
    pub(crate) fn new() -> Self {
        Self((0..LIMIT / CHUNK).map(|_| OnceLock::new()).collect())
    }

    #[inline]
    pub(crate) fn get(&self, number: usize) -> &C {
        let chunk = self.0[number / CHUNK].get_or_init(|| (0..CHUNK).map(|_| C::default()).collect());
        &chunk[number % CHUNK]
    }

    /// Nothing where the thread has counted nothing near it.
    pub(crate) fn read(&self, number: usize) -> Option<&C> {
        Some(&self.0[number / CHUNK].get()?[number % CHUNK])
    }
}

/// As many series as OpenTelemetry's SDK keeps of a metric, to the next power of two.
pub(super) const LIMIT: usize = 2048;
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

    fn number(series: &Series, route: Option<Route>, status: u16) -> usize {
        let labels = Labels::of(&Wire::of(&Request::new(())), None, Scheme::Http);
        series.number(labels.answered(route, StatusCode::from_u16(status).ok()), route)
    }

    #[test]
    fn threads_that_meet_a_series_at_the_same_time_make_it_once_and_lose_no_count() {
        let (series, cells) = (Series::new(), Cells::<AtomicU64>::new());
        let start = Barrier::new(4);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    start.wait();
                    for round in 0..1_000 {
                        cells.get(number(&series, None, 200 + round % 100)).fetch_add(1, Relaxed);
                    }
                });
            }
        });
        let mut statuses = Vec::new();
        for (number, labels) in series.iter() {
            let count = cells.read(number).map_or(0, |cell| cell.load(Relaxed));
            assert_eq!(count, if labels.is_some() { 40 } else { 0 });
            statuses.extend(labels.map(|(labels, _)| labels.status()));
        }
        statuses.sort_unstable();
        assert!(statuses.into_iter().eq(200..300));
    }

    #[test]
    fn what_is_beyond_the_limit_is_one_series_more() {
        let series = Series::new();
        let routes = (LIMIT + 10).div_ceil(900);
        let mut numbers = Vec::new();
        for route in 0..routes {
            let route = Route::intern(&format!("/limit/{route}"));
            numbers.extend((100..1000).map(|status| number(&series, Some(route), status)));
        }
        let (known, beyond) = numbers.split_at(LIMIT - 1);
        assert!(known.iter().copied().eq(1..LIMIT));
        assert!(beyond.iter().all(|number| *number == OVERFLOW as usize) && !beyond.is_empty());
        assert!(series.iter().all(|(number, labels)| labels.is_some() == (number > 0)));
        // One that was there before is still its own.
        assert_eq!(number(&series, Some(Route::intern("/limit/0")), 100), 1);
    }
}
