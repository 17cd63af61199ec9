//! Whether a queue is a burst or an overload, and by which rules it goes.

use std::time::Duration;

use super::look::{Look, Rules};

/// Nichols' and Jacobson's rule (CoDel): a queue is good as long as it is empty now and then, and bad if it stands.
///
/// A queue *stands* as long as somebody in it has waited longer than [`TARGET`]. One that has stood for [`INTERVAL`]
/// is served newest first: those who can still be in time are, instead of everybody being late. That alone refuses
/// nobody, and it has to be so: at nine tenths of the capacity, chance makes queues stand for some hundred milliseconds.
/// One that has stood for [`OVERLOAD`] is no chance. It is cut to what is served within [`TARGET`], and who comes then
/// is refused at once instead of after a wait.
#[derive(Debug)]
pub(super) struct Backlog {
    most: u16,
    max_wait: Duration,
    standing: Duration,
    /// Since somebody was refused or had waited for long.
    quiet: Duration,
    refused: Option<u64>,
    /// Completions a second, a mean of the last [`MEMORY`] or so that begins at 0.
    mean: f64,
    completed: Option<u64>,
    /// For how long the throughput has been measured, since the first completion.
    measured: Duration,
}

impl Backlog {
    pub(super) fn new(rules: &Rules) -> Self {
        Self {
            most: rules.queue,
            max_wait: rules.max_wait,
            standing: Duration::ZERO,
            quiet: Duration::ZERO,
            refused: None,
            mean: 0.0,
            completed: None,
            measured: Duration::ZERO,
        }
    }

    pub(super) fn set_most(&mut self, queue: u16, max_wait: Duration) {
        (self.most, self.max_wait) = (queue, max_wait);
    }

    pub(super) fn on_beat(&mut self, elapsed: Duration, look: Look, rules: &mut Rules) {
        self.measure(elapsed, look);
        let refused = look.refused != self.refused.replace(look.refused).unwrap_or(look.refused);
        if look.oldest > TARGET || refused {
            self.standing = self.standing.saturating_add(elapsed);
            self.quiet = Duration::ZERO;
        } else {
            self.quiet = self.quiet.saturating_add(elapsed);
            if self.standing < OVERLOAD || self.quiet >= INTERVAL {
                self.standing = Duration::ZERO;
            }
        }
        // While a service is new its limit is on its way up. A queue is no overload then, and those that came first would
        // be refused at its bottom when they have waited for too long.
        rules.newest_first = self.standing >= INTERVAL && self.measured >= NEW;
        rules.max_wait =
            if self.standing >= OVERLOAD { self.max_wait.min(self.brief()) } else { self.max_wait };
        let served = self.throughput() * rules.max_wait.as_secs_f64();
        // Before anything is known of the throughput, a queue for what it may be: a service that has just started is not
        // overloaded. The conversion saturates.
        let places = if self.measured < KNOWN { self.most } else { served.ceil() as u16 };
        rules.queue = places.max(FEWEST).min(self.most);
    }

    /// The time in which [`SUCCESSORS`] are served: so long somebody waits, for a slot not to wait for somebody.
    fn brief(&self) -> Duration {
        Duration::try_from_secs_f64(SUCCESSORS / self.throughput())
            .unwrap_or(LONGEST_BRIEF)
            .clamp(TARGET, LONGEST_BRIEF)
    }

    /// Without the zero at which the mean began. It is not a number before the first completion.
    fn throughput(&self) -> f64 {
        self.mean / (1.0 - (-self.measured.as_secs_f64() / MEMORY.as_secs_f64()).exp())
    }

    fn measure(&mut self, elapsed: Duration, look: Look) {
        let completed = look.good.saturating_add(look.bad);
        let since = completed.saturating_sub(self.completed.replace(completed).unwrap_or(completed));
        let elapsed = elapsed.as_secs_f64();
        if elapsed > 0.0 {
            let weight = 1.0 - (-elapsed / MEMORY.as_secs_f64()).exp();
            self.mean += weight * (since as f64 / elapsed - self.mean);
            if completed > 0 {
                self.measured = self.measured.saturating_add(Duration::from_secs_f64(elapsed));
            }
        }
    }
}

/// How long somebody may wait without that meaning anything.
const TARGET: Duration = Duration::from_millis(20);
/// How long a queue stands before it is served newest first.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long a queue stands before it is cut.
const OVERLOAD: Duration = Duration::from_secs(1);
const SUCCESSORS: f64 = 2.0;
/// The longest wait in a queue that was cut.
const LONGEST_BRIEF: Duration = Duration::from_millis(100);
/// Places that there always are, so that a slot does not wait for somebody to come.
const FEWEST: u16 = 8;
const MEMORY: Duration = Duration::from_millis(200);
/// How long it takes for the mean to mean something.
const KNOWN: Duration = Duration::from_millis(100);
/// How long a service is new, from its first completion on.
const NEW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_millis(5);
    const MOST: Rules =
        Rules { limit: 16, queue: 512, newest_first: false, max_wait: Duration::from_millis(250) };

    /// The rules after `beats` beats at which the oldest has waited for `oldest`, at 800 completions a second, of a
    /// service that has run for two seconds.
    fn after(beats: u32, oldest: Duration) -> (Backlog, Rules, Look) {
        on(at_boot(400, Duration::ZERO), beats, oldest)
    }

    /// The same of a service that has just started.
    fn at_boot(beats: u32, oldest: Duration) -> (Backlog, Rules, Look) {
        on((Backlog::new(&MOST), MOST, Look::default()), beats, oldest)
    }

    fn on(
        (mut backlog, mut rules, mut look): (Backlog, Rules, Look),
        beats: u32,
        oldest: Duration,
    ) -> (Backlog, Rules, Look) {
        look.oldest = oldest;
        for _ in 0..beats {
            look.good += 4;
            backlog.on_beat(BEAT, look, &mut rules);
        }
        (backlog, rules, look)
    }

    const LATE: Duration = Duration::from_millis(21);

    #[test]
    fn a_queue_that_empties_in_time_is_served_in_order() {
        assert!(!after(1000, TARGET).1.newest_first);
    }

    #[test]
    fn a_queue_that_stands_for_100_ms_is_served_newest_first_and_loses_no_place() {
        assert!(!after(19, LATE).1.newest_first);
        let (_, rules, _) = after(20, LATE);
        assert!(rules.newest_first);
        assert_eq!(rules.max_wait, MOST.max_wait);
    }

    #[test]
    fn a_queue_that_stands_for_a_second_is_cut() {
        assert_eq!(after(199, LATE).1.max_wait, MOST.max_wait);
        let (_, rules, _) = after(200, LATE);
        assert_eq!(rules.max_wait, TARGET);
        assert!((15..=17).contains(&rules.queue), "20 ms at 800/s are 16 places, not {}", rules.queue);
    }

    #[test]
    fn a_cut_queue_is_healthy_again_when_nobody_was_refused_for_100_ms() {
        let (mut backlog, mut rules, mut look) = after(200, LATE);
        look.oldest = Duration::ZERO;
        for _ in 0..50 {
            look.refused += 1;
            backlog.on_beat(BEAT, look, &mut rules);
        }
        assert!(rules.newest_first, "it is cut as long as it refuses");
        for _ in 0..20 {
            backlog.on_beat(BEAT, look, &mut rules);
        }
        assert!(!rules.newest_first);
        assert_eq!(rules.max_wait, MOST.max_wait);
    }

    #[test]
    fn a_service_that_has_just_started_has_all_the_places_there_are() {
        assert_eq!(at_boot(19, Duration::ZERO).1.queue, MOST.queue, "95 ms");
        let (_, rules, _) = at_boot(21, Duration::ZERO);
        assert!((180..=200).contains(&rules.queue), "{}: a quarter of a second of 800/s", rules.queue);
    }

    #[test]
    fn a_service_that_has_just_started_serves_in_order_for_a_second() {
        assert!(!at_boot(199, LATE).1.newest_first);
        assert!(at_boot(200, LATE).1.newest_first);
    }

    #[test]
    fn it_never_gives_more_than_it_was_given() {
        let few = Rules { queue: 3, max_wait: Duration::from_millis(10), ..MOST };
        let (mut backlog, mut rules) = (Backlog::new(&few), few);
        for beat in 0..400 {
            backlog.on_beat(BEAT, Look { oldest: LATE, good: beat * 1000, ..Look::default() }, &mut rules);
            assert!(rules.queue <= 3 && rules.max_wait <= few.max_wait);
        }
    }
}
