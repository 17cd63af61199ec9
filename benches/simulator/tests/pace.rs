//! The laws where everything takes twice, or a hundred times, as long.

use std::time::Duration;

use macadam_load_shed::limit::{Aimd, Controller, Gradient2, Knee, Vegas, Window};
use proptest::{collection::vec, prelude::*};

const CEILING: u32 = 1024;
const WITHIN: &str = "the start is within the ceiling";

/// These know no unit of time.
fn peers(start: u32) -> [Box<dyn Controller>; 3] {
    [
        Box::new(Aimd::new(start, CEILING).expect(WITHIN)),
        Box::new(Vegas::new(start, CEILING).expect(WITHIN)),
        Box::new(Gradient2::new(start, CEILING).expect(WITHIN)),
    ]
}

prop_compose! {
    fn window()(
        // In parts of a second that a float has as they are: so that four times as much is that to the last bit.
        parts in 1..512u64,
        in_flight in 0.0..2000.0,
        (good, bad, refused) in (0..1000u64, prop_oneof![3 => Just(0), 1 => 0..1000u64], 0..1000u64),
        limited in 0.0..1.0,
    ) -> Window {
        let elapsed = Duration::from_nanos(parts * 1_000_000_000 / 512);
        Window { elapsed, limit: 1, in_flight, good, bad, refused, limited, unhindered: Duration::ZERO }
    }
}

/// What a law makes of a pool of `slots` whose requests take `seconds` each, without noise: the limit that is in force
/// most of the time.
fn settles(mut law: impl Controller, slots: u32, seconds: f64) -> u32 {
    let mut limit = law.start();
    let mut limits: Vec<u32> = (0..400)
        .map(|_| {
            let throughput = f64::from(limit.min(slots)) / seconds;
            // As the tuner closes them: after 50 ms, 40 completions and two response times, but a second at most.
            let response_time = f64::from(limit) / throughput;
            let elapsed = (40.0 / throughput).max(2.0 * response_time).clamp(0.05, 1.0);
            limit = law.on_window(&Window {
                elapsed: Duration::from_secs_f64(elapsed),
                limit,
                in_flight: limit.into(),
                good: (throughput * elapsed).round() as u64,
                bad: 0,
                refused: 100,
                limited: 1.0,
                unhindered: Duration::ZERO,
            });
            limit
        })
        .skip(200)
        .collect();
    limits.sort_unstable();
    limits[limits.len() / 2]
}

proptest! {
    #[test]
    fn the_peers_limits_are_the_same_at_four_times_the_pace(start in 1..=CEILING, windows in vec(window(), 1..100)) {
        for (mut law, mut slow) in peers(start).into_iter().zip(peers(start)) {
            let (mut limit, mut slow_limit) = (start, start);
            for window in &windows {
                limit = law.on_window(&Window { limit, ..*window });
                let elapsed = 4 * window.elapsed;
                slow_limit = slow.on_window(&Window { limit: slow_limit, elapsed, ..*window });
                prop_assert_eq!(limit, slow_limit);
            }
        }
    }

    #[test]
    fn ours_ends_near_the_knee_at_any_pace_from_any_start(
        start in 1..=CEILING,
        slots in 4..=64u32,
        log_millis in 0.7..5.3f64,
    ) {
        let seconds = log_millis.exp() / 1e3;
        let limit = f64::from(settles(Knee::new(start, CEILING).expect(WITHIN), slots, seconds));
        let slots = f64::from(slots);
        // It cannot see what is above the knee of a pool but by its delay, and hardly where that is a moment's.
        let most = (2.0 * slots).max(slots * (1.0 + 0.015 / seconds));
        prop_assert!((0.9 * slots..=most).contains(&limit), "{limit} at {slots} of {seconds} s");
    }

    #[test]
    fn one_window_lowers_the_limit_once_however_many_ended_badly_in_it(start in 1..=CEILING, bad in 1..=u64::MAX) {
        for (mut law, least) in peers(start).into_iter().zip([0.9, 0.5, 0.9]) {
            let window = Window {
                elapsed: Duration::from_secs(1), limit: start, in_flight: start.into(), good: 0, bad, refused: 0,
                limited: 1.0, unhindered: Duration::ZERO,
            };
            let limit = f64::from(law.on_window(&window));
            prop_assert!(limit >= (least * f64::from(start)).floor().max(1.0), "{limit} from {start}");
        }
    }
}

/// The negative control: no pool of 16 is large enough for a law that only looks for failures.
#[test]
fn a_law_that_does_not_look_at_throughput_ends_anywhere() {
    assert!(settles(Aimd::new(20, CEILING).expect(WITHIN), 16, 0.02) > 100);
}
