//! How long requests took: OpenTelemetry's buckets.

use std::time::Duration;

use macadam_core::Mine;

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// One thread's part of one histogram: two cache lines that nobody else writes to.
#[derive(Default)]
#[repr(align(128))]
pub(crate) struct Cell {
    counts: [AtomicU64; BOUNDS.len() + 1],
    /// Nanoseconds, which are enough for 584 years.
    sum: AtomicU64,
}

/// The sum of such cells.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    /// Each request in the first bucket whose bound is not below it; the last has none.
    pub(crate) counts: [u64; BOUNDS.len() + 1],
    pub(crate) seconds: f64,
}

impl Cell {
    /// Tells the bucket.
    #[inline]
    pub(crate) fn add<T>(&self, took: Duration, mine: &Mine<'_, T>) -> usize {
        let nanos = took.as_secs().saturating_mul(1_000_000_000).saturating_add(took.subsec_nanos().into());
        // Nearly all of most services' requests.
        let is_in_first = nanos <= BOUND_NANOS[0];
        let bucket = if is_in_first { 0 } else { BOUND_NANOS.partition_point(|bound| *bound < nanos) };
        mine.add(&self.counts[bucket], 1);
        mine.add(&self.sum, nanos);
        bucket
    }
}

impl Sum {
    pub(crate) fn of<'a>(cells: impl Iterator<Item = &'a Cell>) -> Self {
        let mut sum = Self::default();
        let mut nanos = 0_u64;
        for cell in cells {
            for (count, part) in sum.counts.iter_mut().zip(&cell.counts) {
                *count += part.load(Relaxed);
            }
            nanos = nanos.saturating_add(cell.sum.load(Relaxed));
        }
        sum.seconds = nanos as f64 / 1e9;
        sum
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The bounds of the buckets in seconds, as the conventions say for `http.server.request.duration`. What took exactly as long
/// as a bound is below it.
pub const BOUNDS: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

const BOUND_NANOS: [u64; BOUNDS.len()] = {
    let mut nanos = [0; BOUNDS.len()];
    let mut index = 0;
    while index < BOUNDS.len() {
        // Each is a whole number of milliseconds.
        nanos[index] = (BOUNDS[index] * 1e3 + 0.5) as u64 * 1_000_000;
        index += 1;
    }
    nanos
};

#[cfg(test)]
mod tests {
    use macadam_core::Sharded;

    use super::*;

    #[test]
    fn what_takes_as_long_as_a_bound_is_below_it_and_a_nanosecond_more_is_above() {
        let shares = Sharded::new(|| ());
        for (index, bound) in BOUNDS.iter().enumerate() {
            let cell = Cell::default();
            let bound = Duration::from_secs_f64(*bound);
            cell.add(bound, &shares.mine());
            cell.add(bound + Duration::from_nanos(1), &shares.mine());
            let sum = Sum::of([&cell].into_iter());
            assert_eq!((sum.counts[index], sum.counts[index + 1], sum.count()), (1, 1, 2), "{bound:?}");
        }
    }

    #[test]
    fn the_sum_is_that_of_all_threads() {
        let (cells, shares) = ([Cell::default(), Cell::default()], Sharded::new(|| ()));
        cells[0].add(Duration::from_millis(1500), &shares.mine());
        cells[1].add(Duration::from_millis(1), &shares.mine());
        let sum = Sum::of(cells.iter());
        assert!((sum.seconds - 1.501).abs() < 1e-9);
        assert_eq!(sum.count(), 2);
    }
}
