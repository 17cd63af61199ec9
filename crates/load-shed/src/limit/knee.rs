//! The law of macadam: as many as throughput grows with, and no more.

use super::{
    controller::{Controller, Window},
    measure::{Measure, Noise},
    probe::{Elasticity, Probe},
};
use crate::ConfigError;

/// The least concurrency that gives nearly the most *measured* throughput: the knee of the curve of the one against
/// the other.
///
/// A law that compares response times with those of better days has to know which days were better. Under an overload
/// that lasts, none are: the baseline follows, and the limit with it. Throughput needs no baseline. That of `L` in
/// flight and that of `gL` were both measured a moment ago, and their elasticity `e = ln(X'/X) / ln g` says all: about
/// 1, there are idle servers; about 0, they only wait in another queue; below, they are in each other's way. So the law
/// is a pattern search (Hooke and Jeeves, 1961) for `e = 0`, of whose steps each has to stand a test against chance:
///
/// - From its base it probes upwards often, since on a queue that costs a moment's delay, and downwards rarely, since at
///   the knee that costs throughput at once. A probe is put off for as long as it was dear.
/// - A step is taken when one probe is enough to be sure of it, or all since the last step together are.
/// - Steps are of a factor of two. They become smaller where they are refused, down to 1.3 upwards and 1.2 downwards.
/// - With less in flight than the throughput times the response time that is known from idle times, throughput has to
///   fall (Little): that is not tried, but for a little. From far above it goes there at once.
/// - When throughput changes at the same limit, the capacity has changed, and the search begins anew.
/// - A window in which nobody was in want of a slot measures the load and not the limit: nothing moves.
/// - Where more requests end badly than well, the limit falls to the share that does not, at most to a tenth.
#[derive(Debug)]
pub struct Knee {
    ceiling: f64,
    /// The base.
    limit: f64,
    step: Step,
    base: Measure,
    up: Probe,
    down: Probe,
    /// The response time with few in flight, in seconds; 0 if it is not known.
    unhindered: f64,
    /// For how many seconds somebody was in want of a slot.
    pressed: f64,
    noise: Noise,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Base,
    Up,
    Down,
}

impl Knee {
    /// Starts from `start`, and never goes above `ceiling`.
    ///
    /// # Errors
    ///
    /// If the ceiling is 0 or more than 1,000,000, or the start is 0 or more than the ceiling.
    pub fn new(start: u32, ceiling: u32) -> Result<Self, ConfigError> {
        let (limit, ceiling) = ConfigError::check_start(start, ceiling)?;
        Ok(Self {
            ceiling,
            limit,
            step: Step::Base,
            base: Measure::default(),
            up: Probe::new(LARGE),
            down: Probe::new(LARGE),
            unhindered: 0.0,
            pressed: 0.0,
            noise: Noise::default(),
        })
    }

    /// What the limit is in this step. The limit is whole, and a probe is another one.
    fn level(&self) -> f64 {
        match self.step {
            Step::Base => self.limit,
            Step::Up => (self.limit * self.up.ratio).round().max(self.limit + 1.0).min(self.ceiling),
            Step::Down if self.is_far_above() => (self.known_knee() * JUST_ABOVE).round().max(FLOOR),
            Step::Down => {
                let least = self.known_knee().min(self.limit) * NOT_QUITE;
                (self.limit / self.down.ratio).max(least).round().min(self.limit - 1.0).max(FLOOR)
            }
        }
    }

    /// With less in flight, throughput would be lower, for all that is known (Little's law); 0 if nothing is.
    fn known_knee(&self) -> f64 {
        if self.base.is_enough() { self.base.rate() * self.unhindered } else { 0.0 }
    }

    fn is_far_above(&self) -> bool {
        let known = self.known_knee();
        known > 0.0 && self.limit > FAR * known
    }

    /// What a probe upwards adds to the response time if throughput stays, in seconds.
    fn delay(&self) -> f64 {
        (self.limit * (self.up.ratio - 1.0)).max(1.0) / self.base.rate()
    }

    /// The elasticity up to which less delay is worth the throughput.
    fn threshold(&self) -> f64 {
        (self.limit / self.base.rate() / DELAY_WORTH).clamp(0.02, 0.06)
    }

    fn move_to(&mut self, limit: f64, base: Measure) {
        self.limit = limit.round().clamp(FLOOR, self.ceiling);
        self.base = base;
        self.up.forget();
        self.down.forget();
    }

    fn begin_search(&mut self) {
        self.up.ratio = LARGE;
        self.down.ratio = LARGE;
    }

    fn on_base(&mut self, seen: Measure, may_lower: bool) {
        if self.base.is_enough() {
            self.noise.learn(seen, self.base);
            let (change, deviation) = self.noise.compare(seen, self.base);
            if change.abs() > (3.0 * deviation).max(UNLIKELY) {
                self.move_to(self.limit, seen);
                self.begin_search();
                return;
            }
        }
        self.base = self.base.and(seen);
        self.up.pass(seen.seconds());
        self.down.pass(seen.seconds());
        if !self.base.is_enough() {
            return;
        }
        let up = self.up.overdue() >= 0.0 && self.limit < self.ceiling;
        let down = self.down.overdue() >= 0.0 && self.limit > FLOOR && may_lower;
        let down_first =
            self.delay() > DEAR || self.is_far_above() || self.down.overdue() > self.up.overdue();
        self.step = match (up, down) {
            (true, true) if down_first => Step::Down,
            (true, _) => Step::Up,
            (false, true) => Step::Down,
            (false, false) => Step::Base,
        };
    }

    fn on_up(&mut self, seen: Measure) {
        let (level, from) = (self.level(), self.limit);
        let (change, deviation) = self.noise.compare(seen, self.base);
        let one = Elasticity::of(change, deviation, level / from);
        let all = self.up.weigh(one);
        self.step = Step::Base;
        if one.exceeds(self.threshold(), 2.0) {
            self.move_to(level, seen);
            self.down.ratio = level / from;
            if one.mean > 0.5 {
                self.up.ratio = LARGE;
                self.step = if level < self.ceiling { Step::Up } else { Step::Base };
            }
        } else if all.exceeds(self.threshold(), 1.0) {
            // Many small signs: the knee is somewhere on the way.
            self.move_to((from * level).sqrt().round().max(from + 1.0), Measure::default());
            self.down.ratio = level / from;
        } else {
            if all.is_under(self.threshold(), 0.0) {
                self.up.ratio = self.up.ratio.sqrt().max(SMALL_UP);
            }
            let loss = (-all.mean - 1.5 * LENIENCE * all.deviation) * (level / from).ln();
            let price = loss.max(0.0) + (self.delay() - CHEAP).max(0.0);
            self.up.put_off(seen.seconds(), price, LONGEST_GAP_UP);
        }
    }

    fn on_down(&mut self, seen: Measure, response_time: f64) {
        let (level, from) = (self.level(), self.limit);
        let (change, deviation) = self.noise.compare(seen, self.base);
        let all = self.down.weigh(Elasticity::of(change, deviation, level / from));
        // A large step is a coarse question, to which chance has less to say.
        let (threshold, certainty) = match (from / level).ln() {
            0.6.. => (0.3, 0.0),
            0.3.. => (0.05, 1.0),
            _ => (self.threshold(), 2.0),
        };
        self.step = Step::Base;
        if all.is_under(threshold, certainty) {
            let base = if change > 2.0 * deviation { seen } else { self.base.and(seen) };
            self.move_to(level, base);
            self.step = if level > FLOOR { Step::Down } else { Step::Base };
        } else {
            self.down.ratio = if all.mean > threshold {
                self.down.ratio.sqrt().max(SMALL_DOWN)
            } else {
                (self.down.ratio * REGROWTH).min(LARGE)
            };
            if response_time.is_finite() && all.exceeds(threshold, 1.0) {
                self.unhindered = response_time;
            }
            let loss = (all.mean - LENIENCE * all.deviation) * self.down.ratio.ln();
            // The longer the queue that may stand behind the gate, the sooner it is asked again whether it does.
            let longest = LONGEST_GAP_DOWN.min(GAPS_A_DELAY * self.base.rate() / self.limit);
            self.down.put_off(seen.seconds(), loss, longest);
        }
    }
}

impl Controller for Knee {
    fn start(&self) -> u32 {
        self.limit as u32
    }

    fn on_window(&mut self, window: &Window) -> u32 {
        if window.elapsed.is_zero() {
            return self.level() as u32;
        }
        let (seen, response_time) = (Measure::of(window), window.response_time());
        let is_limited = window.limited >= THROUGHOUT;
        if window.bad > window.good {
            let share = window.good as f64 / (window.good as f64 + window.bad as f64);
            self.move_to(self.level() * share.max(0.1), Measure::default());
            self.begin_search();
            self.step = Step::Base;
        } else if is_limited || self.step == Step::Up {
            self.pressed += seen.seconds();
            match self.step {
                Step::Base => self.on_base(seen, window.refused > 0 || self.pressed > LONG),
                Step::Up => self.on_up(seen),
                Step::Down => self.on_down(seen, response_time),
            }
        } else {
            self.pressed = 0.0;
            self.base = Measure::default();
            self.step = Step::Base;
        }
        // Where somebody waits, or many run, requests may be in each other's way already.
        let is_idle = window.limited == 0.0 && window.in_flight < IDLE * f64::from(window.limit);
        if is_idle && response_time.is_finite() {
            self.unhindered = response_time;
        } else if response_time < NOT_QUITE * self.unhindered {
            // So it was not: what was known is wrong. This is nearer, but from far above not near enough to stop at.
            self.unhindered = if self.delay() > DEAR { 0.0 } else { response_time };
        }
        self.level() as u32
    }
}

const FLOOR: f64 = 1.0;
const LARGE: f64 = 2.0;
const SMALL_UP: f64 = 1.3;
const SMALL_DOWN: f64 = 1.2;
/// By how much a ratio grows again where nothing is lost by it.
const REGROWTH: f64 = 1.05;
/// How far under the known knee is tried: what is known is not exact.
const NOT_QUITE: f64 = 0.85;
/// From how many times the known knee on it is gone to at once, and how far above it that ends.
const FAR: f64 = 1.5;
const JUST_ABOVE: f64 = 1.1;
/// Up to which part of the limit hardly any are in flight.
const IDLE: f64 = 0.25;
/// From which part of a window in which somebody was in want of a slot its throughput is that of the limit.
const THROUGHOUT: f64 = 0.75;
/// For how many seconds somebody has been in want of a slot when it is no burst, even if nobody was refused.
const LONG: f64 = 1.0;
/// By how much throughput has to change, as a logarithm, for it to mean another capacity.
const UNLIKELY: f64 = 0.2;
/// The seconds of delay that are worth a part of the throughput as large as their part of this.
const DELAY_WORTH: f64 = 2.0;
/// How much delay is nothing, and from how much on other ways are tried first; in seconds.
const CHEAP: f64 = 0.015;
const DEAR: f64 = 0.02;
/// How many standard deviations a probe's price is taken to be bad luck.
const LENIENCE: f64 = 0.7;
const LONGEST_GAP_UP: f64 = 8.0;
const LONGEST_GAP_DOWN: f64 = 20.0;
/// That gap times the response time, in square seconds, is this at most.
const GAPS_A_DELAY: f64 = 4.0;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A quarter of a second of a pool of `slots`, each of 100 a second, without noise.
    fn window(limit: u32, slots: u32) -> Window {
        Window {
            elapsed: Duration::from_millis(250),
            limit,
            in_flight: f64::from(limit),
            good: u64::from(25 * limit.min(slots)),
            bad: 0,
            refused: 100,
            limited: 1.0,
        }
    }

    /// The limit, which is what is in force after most of the windows.
    fn settle(law: &mut Knee, mut limit: u32, slots: u32) -> u32 {
        for _ in 0..200 {
            limit = law.on_window(&window(limit, slots));
        }
        law.limit as u32
    }

    #[test]
    fn it_finds_the_knee_from_below_and_from_above() {
        for start in [1, 2, 20, 64, 1024] {
            let found = settle(&mut Knee::new(start, 1024).unwrap(), start, 16);
            assert!((15..=24).contains(&found), "{found} from {start}");
        }
    }

    #[test]
    fn nothing_moves_while_nobody_wants_a_slot() {
        let mut law = Knee::new(64, 1024).unwrap();
        let idle = Window { in_flight: 8.0, refused: 0, limited: 0.0, ..window(64, 16) };
        assert!((0..1000).all(|_| law.on_window(&idle) == 64));
    }

    #[test]
    fn it_is_at_its_floor_three_windows_after_every_call_times_out() {
        let mut law = Knee::new(1000, 1024).unwrap();
        let lost = Window { good: 0, bad: 100, ..window(1000, 16) };
        assert_eq!([(); 3].map(|()| law.on_window(&lost)), [100, 10, 1]);
    }

    #[test]
    fn half_of_them_bad_is_no_collapse_and_one_more_is() {
        let half = Window { good: 50, bad: 50, ..window(64, 16) };
        assert_eq!(Knee::new(64, 1024).unwrap().on_window(&half), 32, "a probe, not a collapse");
        let mut law = Knee::new(64, 1024).unwrap();
        assert_eq!(law.on_window(&Window { bad: 51, ..half }), 32);
        assert!(law.limit < 33.0, "the base itself has moved");
    }
}
