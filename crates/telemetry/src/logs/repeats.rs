//! How often one place in the code may warn.

use std::{
    fmt, ptr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

use macadam_core::{Gauges, Metric, Reading};
use tokio::time::Instant;
use tracing::{Level, Metadata};

/// Bounds how often one place in the code is heard with a warning or an error: so many at once, and so many a second from then
/// on. What is left out is counted, and told with the next that is heard. What is less than a warning always is.
///
/// It is told by the place alone, and never by what it says: an incident says the same thing with another id each time.
///
/// Cheap to clone; all clones count together. Nobody waits for anybody: a place is found by its address in a table of atomics.
/// 1,024 places have room there; what has none is not bounded.
#[derive(Clone)]
pub struct Repeats(Option<Arc<Bound>>);

struct Bound {
    began: Instant,
    /// From one event to the next of a place that is always heard, in nanoseconds.
    period: u64,
    places: Box<[Place]>,
    left_out: AtomicU64,
}

#[derive(Default)]
struct Place {
    /// The address of its metadata, which are a static's; 0 for none yet.
    address: AtomicUsize,
    /// When an event would be on time, had they come one a period: the theoretical arrival time of the generic cell rate
    /// algorithm (ITU-T I.371), in nanoseconds from the beginning.
    due: AtomicU64,
    left_out: AtomicU64,
}

impl Repeats {
    /// So many of one place at once, and so many a second; 0 for no bound.
    pub fn new(per_second: u32) -> Self {
        Self((per_second > 0).then(|| {
            Arc::new(Bound {
                began: Instant::now(),
                period: SECOND / u64::from(per_second),
                places: (0..PLACES).map(|_| Place::default()).collect(),
                left_out: AtomicU64::new(0),
            })
        }))
    }

    /// Whether an event is heard, and if so how many of its place were not since the last that was.
    pub(super) fn pass(&self, metadata: &'static Metadata<'static>) -> Option<u64> {
        match &self.0 {
            Some(bound) if *metadata.level() <= Level::WARN => bound.pass(metadata),
            _ => Some(0),
        }
    }

    /// How many were left out.
    pub fn left_out(&self) -> u64 {
        self.0.as_ref().map_or(0, |bound| bound.left_out.load(Relaxed))
    }
}

impl Bound {
    fn pass(&self, metadata: &'static Metadata<'static>) -> Option<u64> {
        let Some(place) = self.place(ptr::from_ref(metadata).addr()) else { return Some(0) };
        let now = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        // The first of a second that nobody has used is a period early, and the last a whole second.
        let latest = now + SECOND - self.period;
        let next = |due: u64| (due <= latest).then(|| due.max(now) + self.period);
        if place.due.fetch_update(Relaxed, Relaxed, next).is_ok() {
            return Some(place.left_out.swap(0, Relaxed));
        }
        place.left_out.fetch_add(1, Relaxed);
        self.left_out.fetch_add(1, Relaxed);
        None
    }

    /// The place of this address; it takes one if it has none.
    fn place(&self, address: usize) -> Option<&Place> {
        // Statics lie close together, one after the other.
        let first = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PLACES.ilog2());
        let around = self.places.iter().cycle().skip(first as usize).take(PROBES);
        for place in around {
            match place.address.compare_exchange(0, address, Relaxed, Relaxed) {
                Ok(_) => return Some(place),
                Err(other) if other == address => return Some(place),
                Err(_) => {}
            }
        }
        None
    }
}

impl Gauges for Repeats {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        out(Reading { name: REPEATED, labels: &[], value: self.left_out() as f64 });
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl Repeats {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] =
        &[Metric::new(REPEATED, "Lines of the log that were left out as repeats", &[])];
}

impl fmt::Debug for Repeats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repeats").field("left_out", &self.left_out()).finish_non_exhaustive()
    }
}

const REPEATED: &str = "macadam_telemetry_log_lines_repeated_total";
const SECOND: u64 = 1_000_000_000;
/// A power of two.
const PLACES: usize = 1024;
const PROBES: usize = 32;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;
    use tracing::callsite::Callsite;

    use super::*;

    macro_rules! place {
        ($level:expr) => {{
            let callsite = tracing::callsite! { name: "event", kind: tracing::metadata::Kind::EVENT, target: "test", level: $level, fields: };
            Callsite::metadata(callsite)
        }};
    }

    const TICK: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn so_many_at_once_are_heard_and_then_so_many_a_second() {
        let place = place!(Level::WARN);
        let repeats = Repeats::new(10);
        for _ in 0..3 {
            for _ in 0..10 {
                assert_eq!(repeats.pass(place), Some(0));
            }
            assert_eq!(repeats.pass(place), None);
            advance(Duration::from_millis(100) - TICK).await;
            assert_eq!(repeats.pass(place), None);
            advance(TICK).await;
            assert_eq!(repeats.pass(place), Some(2));
            assert_eq!(repeats.pass(place), None);
            // Quiet for a second and more, it is as if nothing had been.
            advance(Duration::from_millis(1000)).await;
            assert_eq!(repeats.pass(place), Some(1));
            advance(Duration::from_secs(60)).await;
        }
        assert_eq!(repeats.left_out(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn in_an_hour_of_an_incident_it_is_heard_so_many_times_a_second() {
        let place = place!(Level::ERROR);
        let repeats = Repeats::new(10);
        let (mut heard, mut told) = (0, 0);
        for _ in 0..3_600_000 / 5 {
            if let Some(repeated) = repeats.pass(place) {
                heard += 1;
                told += repeated;
            }
            advance(5 * TICK).await;
        }
        assert!((36_000..=36_010).contains(&heard), "{heard}");
        assert!(720_000 - heard - told <= 20, "{heard} and {told}");
    }

    #[tokio::test(start_paused = true)]
    async fn places_do_not_share_and_what_is_no_warning_is_always_heard() {
        let (one, other, told) = (place!(Level::WARN), place!(Level::WARN), place!(Level::INFO));
        let repeats = Repeats::new(1);
        assert_eq!((repeats.pass(one), repeats.pass(one)), (Some(0), None));
        assert_eq!((repeats.pass(other), repeats.pass(other)), (Some(0), None));
        assert!((0..100).all(|_| repeats.pass(told) == Some(0)));
        let unbounded = Repeats::new(0);
        assert!((0..100).all(|_| unbounded.pass(one) == Some(0)));
    }

    #[test]
    fn what_many_threads_say_at_once_is_heard_or_counted() {
        let place = place!(Level::WARN);
        let repeats = Repeats::new(100);
        let say = || {
            (0..10_000)
                .filter_map(|_| repeats.pass(place))
                .fold((0, 0), |(heard, told), more| (heard + 1, told + more))
        };
        let (heard, told) = std::thread::scope(|scope| {
            let threads = [(); 4].map(|()| scope.spawn(say));
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
        });
        assert_eq!(heard + repeats.left_out(), 40_000);
        assert!(told <= repeats.left_out());
        assert!(heard >= 100);
    }

    #[test]
    fn a_table_that_is_full_bounds_whom_it_knows_and_nobody_else() {
        let repeats = Repeats::new(1);
        let bound = repeats.0.as_ref().unwrap();
        let known = bound.place(1).is_some();
        let found = (1..=4 * PLACES).filter(|address| bound.place(address * 64).is_some()).count();
        assert!(known && found <= PLACES && found > PLACES / 2, "{found}");
        assert!(bound.place(1).is_some());
    }
}
