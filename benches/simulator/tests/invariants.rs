//! What holds for the laws whatever they are told.

use std::time::Duration;

use macadam_load_shed::limit::{Aimd, Controller, Gradient2, Knee, Look, Tuner, Vegas, Window};
use proptest::{collection::vec, prelude::*};

const CEILING: u32 = 1024;

fn laws(start: u32) -> [Box<dyn Controller>; 4] {
    let within = "the start is within the ceiling";
    [
        Box::new(Knee::new(start, CEILING).expect(within)),
        Box::new(Aimd::new(start, CEILING).expect(within)),
        Box::new(Vegas::new(start, CEILING).expect(within)),
        Box::new(Gradient2::new(start, CEILING).expect(within)),
    ]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), 1..1000u64, Just(u64::MAX), any::<u64>()]
}

prop_compose! {
    fn window()(
        nanos in prop_oneof![Just(0), Just(1), 1_000_000..2_000_000_000u64, Just(u64::MAX)],
        in_flight in prop_oneof![Just(0.0), 0.0..2000.0, Just(f64::from(u32::MAX))],
        (good, bad, refused) in (count(), count(), count()),
        limited in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0],
        unhindered in prop_oneof![Just(0), Just(u64::MAX), 0..1_000_000_000u64],
    ) -> Window {
        let (elapsed, unhindered) = (Duration::from_nanos(nanos), Duration::from_nanos(unhindered));
        Window { elapsed, limit: 1, in_flight, good, bad, refused, limited, unhindered }
    }
}

proptest! {
    #[test]
    fn the_limit_is_from_one_to_the_ceiling(start in 1..=CEILING, windows in vec(window(), 1..200)) {
        for mut law in laws(start) {
            let mut limit = start;
            for window in &windows {
                limit = law.on_window(&Window { limit, ..*window });
                prop_assert!((1..=CEILING).contains(&limit), "{limit} after {window:?}");
            }
        }
    }

    #[test]
    fn an_idle_gate_never_raises_the_limit(
        start in 1..=CEILING,
        windows in vec((1..1000u64, 0.0..0.4f64), 1..200),
    ) {
        for mut law in laws(start) {
            let mut limit = start;
            for &(good, share) in &windows {
                let in_flight = share * f64::from(limit);
                let (elapsed, unhindered) = (Duration::from_millis(100), Duration::ZERO);
                let idle = Window { elapsed, limit, in_flight, good, bad: 0, refused: 0, limited: 0.0, unhindered };
                let next = law.on_window(&idle);
                prop_assert!(next <= limit, "{limit} became {next}");
                limit = next;
            }
        }
    }

    #[test]
    fn a_window_divides_the_base_by_ten_at_most(start in 1..=CEILING, bad in 1..=u64::MAX) {
        let mut law = Knee::new(start, CEILING).expect("the start is within the ceiling");
        let window = Window {
            elapsed: Duration::from_secs(1), limit: start, in_flight: 1.0, good: 0, bad, refused: 0, limited: 1.0,
            unhindered: Duration::ZERO,
        };
        let limit = law.on_window(&window);
        prop_assert!(f64::from(limit) >= (f64::from(start) / 10.0).floor().max(1.0));
    }

    #[test]
    fn the_rules_are_never_more_than_they_were_at_the_start(
        beats in vec((0..50u64, any::<u32>(), any::<u32>(), 0..1000u64, (count(), count(), count())), 1..200),
    ) {
        let (places, max_wait) = (512, Duration::from_millis(250));
        let mut tuner = Tuner::new(Knee::new(64, CEILING).expect("64 is within the ceiling"), places, max_wait);
        for (elapsed, in_flight, waiting, oldest, (good, bad, refused)) in beats {
            let look = Look { in_flight, waiting, oldest: Duration::from_millis(oldest), good, bad, refused };
            let rules = tuner.on_beat(Duration::from_millis(elapsed), look);
            prop_assert!((1..=CEILING).contains(&rules.limit));
            prop_assert!(rules.queue <= places && rules.max_wait <= max_wait);
        }
    }
}
