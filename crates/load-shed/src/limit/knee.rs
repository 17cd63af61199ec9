//! The law of macadam: as many as throughput grows with, and no more.

use super::{
    belief::Belief,
    chart::Chart,
    controller::{Controller, Window},
    measure::{Measure, Noise},
    profile::Profile,
};
use crate::ConfigError;

/// The least concurrency that gives nearly the most *measured* throughput: the knee of the curve of the one against
/// the other.
///
/// A law that compares response times with those of better days has to know which days were better. Under an overload
/// that lasts, none are: the baseline follows, and the limit with it. Throughput needs no baseline. So the law keeps what
/// throughput was seen at which limit of late, weighs some hundred curves by how well they go with that (Bayes), and
/// does what is best on their average:
///
/// - The limit is where throughput is worth most, less a little for the response time. That it is asymmetric follows:
///   on a pool a limit too low costs throughput at once, one too high a moment's delay, so it stays on the safe side of
///   what it does not know.
/// - Now and then another limit is tried: one a little higher, or the best one if one of the curves, drawn at random,
///   were true (Thompson sampling). It costs what it is thought to lose, and the time that everybody waits longer, out of a
///   budget; so what may be better is tried often, and what certainly is not, hardly ever. A burst lowers nothing.
/// - At the beginning, as long as requests take hardly longer than the first few did, there is room: the limit is doubled, as
///   a window of TCP's is in its slow start.
/// - How long the first few requests after a pause took bounds the knee (Little's law), before anything else is known.
/// - What no curve explains, and what a few windows are off to the same side of what was expected, is another capacity: all
///   is forgotten, but for the last window.
/// - A window in which nobody was in want of a slot measures the load and not the limit: nothing moves.
/// - Where more requests end badly than well, and not at once, the limit falls to the share that does not, at most to a
///   tenth.
#[derive(Debug)]
pub struct Knee {
    /// The limits there are, each some six percent above the one before.
    levels: Vec<f64>,
    ceiling: f64,
    /// The best, for all that is known.
    limit: f64,
    /// The one in force.
    level: f64,
    profile: Profile,
    belief: Belief,
    noise: Noise,
    chart: Chart,
    /// How much may be lost by trying, in seconds of the whole throughput.
    budget: f64,
    /// Where the next curve is drawn, from 0 to 1.
    drawn: f64,
    /// Whether the last try was above the limit.
    is_above: bool,
    /// For how many seconds somebody was in want of a slot.
    pressed: f64,
    /// Whether nobody who was admitted has been in another's way yet.
    is_starting: bool,
}

impl Knee {
    /// Starts from `start`, and never goes above `ceiling`.
    ///
    /// # Errors
    ///
    /// If the ceiling is 0 or more than 1,000,000, or the start is 0 or more than the ceiling.
    pub fn new(start: u32, ceiling: u32) -> Result<Self, ConfigError> {
        let (start, ceiling) = ConfigError::check_start(start, ceiling)?;
        let next = |level: &f64| Some((level * STEP).round().max(level + 1.0));
        let levels = std::iter::successors(Some(1.0), next).take_while(|level| *level < ceiling);
        Ok(Self {
            levels: levels.chain([ceiling]).collect(),
            ceiling,
            limit: start,
            level: start,
            profile: Profile::default(),
            belief: Belief::default(),
            noise: Noise::default(),
            chart: Chart::default(),
            budget: 0.0,
            drawn: 0.0,
            is_above: false,
            pressed: 0.0,
            is_starting: true,
        })
    }

    fn learn(&mut self, seen: Measure) {
        self.noise.learn(seen, self.profile.at(self.level));
        let (rate, variance) = (seen.rate(), self.noise.variance(seen));
        let is_strange = self.chart.is_strange(self.belief.deviation(self.level, rate, variance));
        if is_strange || !self.belief.explains(self.level, rate, variance) {
            self.profile.forget();
            self.profile.doubt();
        }
        self.profile.add(self.level, seen);
        self.belief = Belief::of(&self.profile, &self.profile.points(self.noise), self.limit, &self.levels);
    }

    /// Whether what is admitted comes to nothing since there is too much of it: more of it ends badly than well, and is
    /// long about it. What is refused further down at once, or goes away at once, holds hardly any slots, and would be as
    /// many with fewer in flight.
    fn is_collapse(&self, window: &Window) -> bool {
        let nearly_all = window.bad / NEARLY_ALL > window.good;
        let usual = if nearly_all { 0.0 } else { self.profile.unhindered().unwrap_or(0.0) };
        window.bad > window.good && window.response_time() > (2.0 * usual).max(MOMENT)
    }

    /// Whether there is room for twice as many: what was admitted took hardly longer than the first few, and the last time that
    /// there was twice as much room it was of use. Nothing where that is not known.
    fn has_room(&self, window: &Window) -> Option<bool> {
        let unhindered = self.profile.unhindered()?;
        let before = self.profile.at((self.level / 2.0).floor());
        let is_of_use = !before.counts() || Measure::of(window).rate() > OF_USE * before.rate();
        Some(is_of_use && window.response_time() < AS_LONG * unhindered)
    }

    /// The level that is worth most. What is far above all that was tried is known by nothing.
    fn best(&self, worth: impl Fn(f64) -> f64) -> f64 {
        let most = FAR * self.profile.highest().unwrap_or(self.limit);
        let levels = self.levels.iter().filter(|level| **level <= most);
        let worths = levels.map(|level| (*level, worth(*level)));
        worths.max_by(|a, b| a.1.total_cmp(&b.1)).map_or(self.limit, |best| best.0)
    }

    fn choose(&mut self, seconds: f64, may_lower: bool) {
        let best = self.best(|level| self.belief.worth(level));
        if may_lower || best > self.limit {
            self.limit = best;
        }
        self.level = self.limit;
        self.budget = (self.budget + BUDGET * seconds).min(MOST_BUDGET);
        let level = self.draw();
        let price = self.belief.price(self.limit, level);
        if price * seconds <= self.budget && (may_lower || level > self.limit) {
            self.budget -= price * seconds;
            self.level = level;
        }
    }

    /// A level to try: by turns a little above the limit, since a capacity that has fallen shows at the limit but one
    /// that has risen only above it, and what would be best if a curve drawn at random were true.
    fn draw(&mut self) -> f64 {
        let brief = (BRIEF * self.belief.expects(self.limit).exp()).max(1.0);
        self.is_above = !self.is_above;
        if self.is_above {
            let few = (FEW * self.limit).max(LEAST_FEW);
            return (self.limit + brief.min(few)).min(self.ceiling).floor();
        }
        self.drawn = (self.drawn + GOLDEN).fract();
        let curve = self.belief.sample(self.drawn);
        let level = curve.map_or(self.limit, |curve| self.best(|level| self.belief.worth_on(curve, level)));
        level.min(self.limit + brief).floor()
    }
}

impl Controller for Knee {
    fn start(&self) -> u32 {
        self.limit as u32
    }

    fn on_window(&mut self, window: &Window) -> u32 {
        if window.elapsed.is_zero() {
            return self.level as u32;
        }
        if !window.unhindered.is_zero() {
            self.profile.set_unhindered(window.unhindered.as_secs_f64());
        }
        let seen = Measure::of(window);
        if self.is_collapse(window) {
            let share = window.good as f64 / (window.good as f64 + window.bad as f64);
            self.profile.forget();
            self.belief = Belief::default();
            self.limit = (self.level * share.max(0.1)).round().max(FLOOR);
            self.level = self.limit;
        } else if window.limited >= THROUGHOUT {
            self.learn(seen);
            self.pressed += seen.seconds();
            let has_room = self.has_room(window);
            self.is_starting &= has_room != Some(false);
            if self.is_starting && has_room.is_some() {
                self.limit = (2.0 * self.level).min(self.ceiling);
                self.level = self.limit;
            } else {
                let may_lower = window.refused > 0 || self.pressed > LONG;
                self.choose(seen.seconds(), may_lower);
            }
        } else {
            self.pressed = 0.0;
            self.level = self.limit;
        }
        self.level as u32
    }
}

/// How many times as long as the first few is hardly longer. Of many that come at once they are the quickest.
const AS_LONG: f64 = 2.5;
/// How many times the throughput before is of use.
const OF_USE: f64 = 1.5;
const FLOOR: f64 = 1.0;
/// The seconds in which nobody has waited for long.
const MOMENT: f64 = 0.05;
/// How many times as many have to end badly as well for it to be nearly all.
const NEARLY_ALL: u64 = 9;
/// From one level to the next.
const STEP: f64 = 1.06;
/// From how many times the highest limit that was tried on a level is too far.
const FAR: f64 = 2.0;
/// The share of the throughput that may be lost by trying, and for how many seconds it is saved up at most.
const BUDGET: f64 = 0.003;
const MOST_BUDGET: f64 = 0.3;
/// How many seconds it may take until as many as a try was above the limit are done. Nobody is admitted in the meantime.
const BRIEF: f64 = 0.01;
/// How much above the limit is tried at most to see whether the capacity has risen: enough to show, and no more, since
/// where requests are in each other's way it is lost. Of a few, one more hardly shows.
const FEW: f64 = 0.25;
const LEAST_FEW: f64 = 2.0;
/// The golden section: however many are drawn, they are spread evenly.
const GOLDEN: f64 = 0.618_033_988_749_895;
/// From which part of a window in which somebody was in want of a slot its throughput is that of the limit.
const THROUGHOUT: f64 = 0.75;
/// For how many seconds somebody has been in want of a slot when it is no burst, even if nobody was refused.
const LONG: f64 = 1.0;

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
            unhindered: Duration::ZERO,
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
        assert!(Knee::new(64, 1024).unwrap().on_window(&half) > 32, "half of them, and no more");
        let mut law = Knee::new(64, 1024).unwrap();
        assert_eq!(law.on_window(&Window { bad: 51, ..half }), 32);
        assert!(law.limit < 33.0, "the base itself has moved");
    }
}
