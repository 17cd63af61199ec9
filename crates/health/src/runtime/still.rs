//! Which workers stand still: samples in, findings out; no clock and no runtime in here.

use std::time::Duration;

use tokio::time::Instant;

/// What a worker has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// How often it went to sleep and how often it woke, together.
    pub(crate) turns: u64,
    /// For how long it was awake, as of when it last said so.
    pub(crate) busy: Duration,
}

/// How the workers of a runtime stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stand {
    pub(crate) workers: usize,
    /// How many have stood still for the limit.
    pub(crate) stalled: usize,
    /// For how long the one that has done so for longest.
    pub(crate) longest: Duration,
    /// For how long all of them, at the least.
    pub(crate) all: Duration,
    /// Whether one stands still while the others sleep on, of whom perhaps none waits for I/O and timers.
    pub(crate) unattended: bool,
}

/// Compares what the workers count with what they counted before.
pub(crate) struct Stillness {
    /// From when a worker counts as stalled.
    limit: Duration,
    workers: Vec<Worker>,
    looked: Instant,
}

struct Worker {
    seen: Sample,
    still_for: Duration,
}

impl Sample {
    /// One that has never slept is awake: whoever stands still from its first poll on has counted nothing.
    fn is_awake(self) -> bool {
        self.turns % 2 == 0
    }
}

impl Stillness {
    pub(crate) fn new(limit: Duration, samples: impl Iterator<Item = Sample>, now: Instant) -> Self {
        let workers = samples.map(|seen| Worker { seen, still_for: Duration::ZERO }).collect();
        Self { limit, workers, looked: now }
    }

    /// Takes a sample of each worker.
    ///
    /// What came between two samples is counted from the later one, so that nobody is accused too early. A gap that is
    /// longer than [`LONGEST_STEP`] counts as that: then the whole process stood still, which no worker is to blame for.
    pub(crate) fn look(&mut self, samples: impl Iterator<Item = Sample>, now: Instant) -> Stand {
        let step = now.saturating_duration_since(self.looked).min(LONGEST_STEP);
        self.looked = now;
        let (mut moved, mut asleep) = (false, false);
        for (worker, sample) in self.workers.iter_mut().zip(samples) {
            if worker.seen == sample && sample.is_awake() {
                worker.still_for += step;
            } else {
                worker.still_for = Duration::ZERO;
            }
            moved |= worker.seen != sample;
            asleep |= !sample.is_awake();
            worker.seen = sample;
        }
        let still = || self.workers.iter().map(|worker| worker.still_for);
        let longest = still().max().unwrap_or_default();
        Stand {
            workers: self.workers.len(),
            stalled: still().filter(|still| *still >= self.limit).count(),
            longest,
            all: still().min().unwrap_or_default(),
            unattended: !longest.is_zero() && asleep && !moved,
        }
    }
}

const LONGEST_STEP: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const LIMIT: Duration = Duration::from_millis(1000);

    /// Two workers and a clock.
    struct Scene {
        now: Instant,
        workers: [Sample; 2],
        stillness: Stillness,
    }

    impl Scene {
        /// Both are awake.
        fn new() -> Self {
            let workers = [Sample { turns: 4, busy: MS }; 2];
            let now = Instant::now();
            let stillness = Stillness::new(LIMIT, workers.into_iter(), now);
            Self { now, workers, stillness }
        }

        fn look_after(&mut self, step: Duration) -> Stand {
            self.now += step;
            self.stillness.look(self.workers.into_iter(), self.now)
        }

        fn look_for_two_seconds(&mut self) {
            for _ in 0..20 {
                self.look_after(100 * MS);
            }
        }
    }

    #[test]
    fn a_worker_stalls_at_the_limit_and_not_a_tick_before() {
        let mut scene = Scene::new();
        let stand = (0..9).map(|_| scene.look_after(111 * MS)).last().unwrap();
        assert_eq!((stand.stalled, stand.longest, stand.all), (0, 999 * MS, 999 * MS));
        let stand = scene.look_after(MS);
        assert_eq!((stand.stalled, stand.longest, stand.all), (2, LIMIT, LIMIT));
        assert_eq!(stand.workers, 2);
    }

    #[test]
    fn whatever_it_counts_it_moves_and_all_that_it_stood_is_forgotten() {
        let moves: [fn(&mut Sample); 3] = [
            |worker| worker.turns += 1,
            |worker| worker.turns += 2,
            |worker| worker.busy += Duration::from_nanos(1),
        ];
        for a_move in moves {
            let mut scene = Scene::new();
            scene.look_for_two_seconds();
            a_move(&mut scene.workers[0]);
            let stand = scene.look_after(100 * MS);
            assert_eq!((stand.stalled, stand.all), (1, Duration::ZERO));
            assert_eq!(stand.longest, 2100 * MS, "the other one");
        }
    }

    #[test]
    fn who_sleeps_does_not_stand_still_and_who_has_never_slept_does() {
        let mut scene = Scene::new();
        scene.workers = [5, 0].map(|turns| Sample { turns, busy: Duration::ZERO });
        scene.look_for_two_seconds();
        let stand = scene.look_after(100 * MS);
        assert_eq!((stand.stalled, stand.longest, stand.all), (1, 2 * LIMIT, Duration::ZERO));
    }

    #[test]
    fn a_process_that_was_stopped_accuses_nobody() {
        let mut scene = Scene::new();
        let stand = scene.look_after(Duration::from_secs(3600));
        assert_eq!((stand.stalled, stand.longest), (0, LONGEST_STEP));
    }

    #[test]
    fn io_is_unattended_while_one_stands_still_and_the_others_sleep_on() {
        let mut scene = Scene::new();
        assert!(!scene.look_after(MS).unattended, "nobody is left to wake");
        scene.workers[0].turns += 1;
        assert!(!scene.look_after(MS).unattended, "it has looked around just now");
        assert!(scene.look_after(MS).unattended);
        scene.workers[1].turns += 1;
        assert!(!scene.look_after(MS).unattended, "both sleep");
        assert!(!scene.look_after(MS).unattended, "as they should");
    }
}
