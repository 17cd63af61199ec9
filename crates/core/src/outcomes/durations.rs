//! How long requests took: a histogram whose buckets grow with what they count.

use std::time::Duration;

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// How many requests took how long, in buckets that are an eighth of a power of two wide, from 1 µs to 134 s: what is read
/// of it is off by an eighth at most.
///
/// The buckets are those of HdrHistogram with one significant octal digit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Durations {
    counts: Box<[u64; BUCKETS]>,
}

/// The same while requests add to it.
pub(super) struct Buckets([AtomicU64; BUCKETS]);

impl Durations {
    /// Of no request.
    pub fn none() -> Self {
        Self { counts: Box::new([0; BUCKETS]) }
    }

    /// How many requests.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Those that are in here and were not in `earlier`, which is an earlier reading of the same.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut counts = self.counts.clone();
        for (count, before) in counts.iter_mut().zip(earlier.counts.iter()) {
            *count = count.saturating_sub(*before);
        }
        Self { counts }
    }

    /// The time within which such a share of the requests was over, from 0.0 to 1.0; `None` of no request.
    ///
    /// Within a bucket they count as evenly spread. What took longer than 134 s counts as that long.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let all = self.count();
        if all == 0 {
            return None;
        }
        let rank = ((all as f64 * share).ceil() as u64).clamp(1, all);
        let mut below = 0;
        for (index, count) in self.counts.iter().enumerate() {
            if below + count >= rank {
                let (from, to) = (lower_bound(index), lower_bound((index + 1).min(BUCKETS - 1)));
                let inside = (rank - below) as f64 / *count as f64;
                return Some(Duration::from_micros(from + ((to - from) as f64 * inside) as u64));
            }
            below += count;
        }
        None
    }
}

impl Buckets {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }

    /// The count of those that took as long.
    #[inline]
    pub(super) fn of(&self, took: Duration) -> &AtomicU64 {
        &self.0[bucket(u64::try_from(took.as_micros()).unwrap_or(u64::MAX))]
    }

    pub(super) fn add_to(&self, durations: &mut Durations) {
        for (sum, count) in durations.counts.iter_mut().zip(&self.0) {
            *sum += count.load(Relaxed);
        }
    }
}

/// Below 8 µs each has its own; from there on each power of two has eight.
#[inline]
fn bucket(micros: u64) -> usize {
    if micros < 8 {
        return micros as usize;
    }
    let octave = micros.ilog2() as usize;
    let eighth = (micros >> (octave - 3)) as usize & 7;
    ((octave - 2) * 8 + eighth).min(BUCKETS - 1)
}

/// The least that falls into a bucket, in microseconds.
fn lower_bound(bucket: usize) -> u64 {
    if bucket < 8 {
        return bucket as u64;
    }
    ((8 + bucket % 8) as u64) << (bucket / 8 - 1)
}

/// Up to 2^27 µs, and one for what took longer.
const BUCKETS: usize = (27 - 2) * 8 + 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn add(buckets: &Buckets, took: Duration) {
        buckets.of(took).fetch_add(1, Relaxed);
    }

    #[test]
    fn buckets_join_without_a_gap_and_none_is_wider_than_an_eighth() {
        for index in 0..BUCKETS - 1 {
            let (from, next) = (lower_bound(index), lower_bound(index + 1));
            assert_eq!((bucket(from), bucket(next - 1), bucket(next)), (index, index, index + 1));
            assert!(index < 8 || (next - from) * 8 <= from, "{from}..{next}");
        }
        assert_eq!(lower_bound(BUCKETS - 1), 1 << 27);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_right_within_an_eighth() {
        let buckets = Buckets::new();
        (1..=10_000).for_each(|micros| add(&buckets, Duration::from_micros(micros)));
        let mut durations = Durations::none();
        buckets.add_to(&mut durations);
        for (share, micros) in [(0.0, 1.0), (0.5, 5_000.0), (0.95, 9_500.0), (0.99, 9_900.0), (1.0, 10_000.0)]
        {
            let read = durations.quantile(share).unwrap().as_secs_f64() * 1e6;
            assert!((read - micros).abs() <= micros / 8.0 + 1.0, "{share}: {read}");
        }
    }

    #[test]
    fn nothing_has_no_quantile_and_what_is_too_long_counts_as_134_s() {
        assert_eq!(Durations::none().quantile(0.5), None);
        let buckets = Buckets::new();
        add(&buckets, Duration::MAX);
        let mut durations = Durations::none();
        buckets.add_to(&mut durations);
        assert_eq!(durations.quantile(0.5), Some(Duration::from_micros(1 << 27)));
    }

    #[test]
    fn the_difference_of_two_readings_is_what_came_between() {
        let buckets = Buckets::new();
        let read = |buckets: &Buckets| {
            let mut durations = Durations::none();
            buckets.add_to(&mut durations);
            durations
        };
        add(&buckets, Duration::from_secs(1));
        let before = read(&buckets);
        add(&buckets, Duration::from_millis(1));
        let between = read(&buckets).since(&before);
        assert_eq!(between.count(), 1);
        assert!(between.quantile(1.0).unwrap() < Duration::from_millis(2));
    }
}
