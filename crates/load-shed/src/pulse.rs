//! The beat: a task that looks at the gate every few milliseconds while there is something to see.
//!
//! It is spawned at the first call, since a layer may be made before there is a runtime, and again by the next one after
//! some time in which nothing was in flight. A gate that serves several runtimes has one beat, in the first of them.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::{
    door::{self, Door},
    errand::{Errand, State},
    gate::{Gate, Use},
    lag::{BEAT, Lag, Lateness},
    limit::{Look, Rules, Tuner},
    pace::Pace,
    pressure::{Pressure, Pressures, refused_from},
    queue::{CLASSES, Claim, Order},
    reason::Reason,
    refusal::Tally,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed},
        lock,
    },
};

pub(crate) struct Pulse {
    gate: Arc<Gate>,
    tally: Arc<Tally>,
    pub(crate) lag: Lag,
    pub(crate) door: Door,
    /// The first class that is refused for a signal from outside.
    refused_from: AtomicU8,
    pressures: Mutex<Pressures>,
    /// What is seen of a request's way, as means of the last interval.
    pace: Pace,
    /// In how many seconds those who are refused now should be back.
    drain_secs: AtomicU32,
    /// Whether the queue is that of an overload: who waits asks, and should not wait for the tuner's lock besides.
    newest_first: AtomicBool,
    state: State,
    /// Locked by the beat, and by who changes a setting.
    tuner: Mutex<Tuner>,
}

impl Pulse {
    pub(crate) fn new(gate: Arc<Gate>, tally: Arc<Tally>, tuner: Tuner, target_lag: Duration) -> Self {
        let pulse = Self {
            gate,
            tally,
            lag: Lag::new(target_lag),
            door: Door::new(),
            refused_from: AtomicU8::new(CLASSES as u8),
            pressures: Mutex::default(),
            pace: Pace::default(),
            drain_secs: AtomicU32::new(LEAST_DRAIN),
            newest_first: AtomicBool::new(false),
            state: State::default(),
            tuner: Mutex::new(tuner),
        };
        pulse.follow(lock(&pulse.tuner).rules());
        pulse
    }

    /// Whether a request gets as far as the gate.
    pub(crate) fn lets_in(&self, claim: Claim) -> Result<(), Reason> {
        if claim.class >= self.refused_from.load(Relaxed) {
            Err(Reason::Pressure)
        } else if !self.lag.admits(claim.class) {
            Err(Reason::Lag)
        } else if !self.door.lets_in(claim.class, claim.tenant.unwrap_or(0)) {
            Err(Reason::Criticality)
        } else {
            Ok(())
        }
    }

    /// In which time a request that asks now would have been answered, at the least: what a deadline before that asks
    /// for cannot be had.
    pub(crate) fn least_time(&self, waiting: u16) -> Duration {
        // Newest first, nobody waits for those who were there before.
        let wait =
            if self.queue_is_overloaded() { Duration::ZERO } else { self.pace.turn() * waiting.into() };
        wait + self.pace.least_run()
    }

    /// In how many seconds those who are refused now would all have been served.
    pub(crate) fn drain_secs(&self) -> u32 {
        self.drain_secs.load(Relaxed)
    }

    /// Changes a setting of the tuner.
    pub(crate) fn tune(&self, change: impl FnOnce(&mut Tuner)) {
        let mut tuner = lock(&self.tuner);
        change(&mut tuner);
        self.follow(tuner.rules());
    }

    pub(crate) fn watch(&self, pressure: Arc<dyn Pressure>) {
        lock(&self.pressures).push(pressure);
    }

    fn on_interval(&self, completed: u64, refused: u64, rules: Rules) {
        self.door.on_interval(completed, rules.newest_first || self.lag.is_overloaded());
        // Those who came in one interval are served in so many of them: spread over as many seconds, they fit.
        let intervals = (completed + refused).checked_div(completed).unwrap_or(u64::MAX);
        self.drain_secs.store(intervals.clamp(LEAST_DRAIN.into(), MOST_DRAIN.into()) as u32, Relaxed);
        let highest = lock(&self.pressures).iter().map(|pressure| pressure.read()).fold(0.0, f64::max);
        self.refused_from.store(refused_from(highest), Relaxed);
    }

    /// Whether the queue is that of an overload, and no burst.
    pub(crate) fn queue_is_overloaded(&self) -> bool {
        self.newest_first.load(Relaxed)
    }

    fn rules(&self) -> Rules {
        lock(&self.tuner).rules()
    }

    fn look(&self, now: Instant) -> Look {
        let word = self.gate.look();
        Look {
            in_flight: word.in_flight(),
            waiting: word.waiting().into(),
            oldest: self.gate.oldest(now),
            good: self.gate.ended(Use::Good),
            bad: self.gate.ended(Use::Bad),
            refused: self.tally.for_want_of_room(),
        }
    }

    fn follow(&self, rules: Rules) {
        if self.gate.look().limit() != rules.limit {
            self.gate.set_limit(rules.limit);
        }
        let Rules { queue, newest_first, max_wait, .. } = rules;
        self.newest_first.store(newest_first, Relaxed);
        self.gate.set_queue(queue, Order { newest_first, max_wait, from_class: self.door.border() });
    }
}

impl Errand for Pulse {
    fn state(&self) -> &State {
        &self.state
    }

    /// Looks at the gate until there is nothing to see.
    async fn run(&self) {
        let mut last = Instant::now();
        let mut lateness = Lateness::default();
        self.lag.beat(last, Duration::ZERO, false);
        let (mut idle, mut seen) = (0, self.look(last));
        let (mut interval_began, mut interval_saw, mut in_flight) = (last, seen, 0.0);
        while idle < LINGER {
            let due = last + BEAT;
            sleep_until(due).await;
            back_of_the_queue().await;
            let now = Instant::now();
            // Timers go by whole milliseconds, so that one is late by up to that much in the best of cases.
            let lag = now.saturating_duration_since(due).saturating_sub(TIMER_TICK);
            let elapsed = now - last;
            self.lag.beat(now, lag, lateness.on_beat(elapsed, lag, self.lag.target()));

            let look = self.look(now);
            let rules = lock(&self.tuner).on_beat(elapsed, look);
            self.follow(rules);
            in_flight += f64::from(look.in_flight) * elapsed.as_secs_f64();
            let interval = now - interval_began;
            if interval >= door::INTERVAL {
                let completed = look.good - interval_saw.good;
                self.on_interval(completed, look.refused - interval_saw.refused, rules);
                self.pace.on_interval(interval, completed, in_flight / interval.as_secs_f64());
                (interval_began, interval_saw, in_flight) = (now, look, 0.0);
            }
            let nothing_happened = (look.good, look.bad, look.refused) == (seen.good, seen.bad, seen.refused);
            idle = if nothing_happened && look.in_flight + look.waiting == 0 { idle + 1 } else { 0 };
            (last, seen) = (now, look);
        }
        self.lag.beat(last, Duration::ZERO, false);
        self.on_interval(0, 0, self.rules());
    }

    fn is_needed(&self) -> bool {
        self.gate.is_busy()
    }
}

/// Ready once the executor has polled what is ready now: who wakes itself in its poll is put behind all others. A task
/// that its timer wakes is put first, and one that yields by [`tokio::task::yield_now`] is, after 61 polls.
async fn back_of_the_queue() {
    let mut is_back = false;
    poll_fn(|cx| {
        if is_back {
            return Poll::Ready(());
        }
        is_back = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// How many beats without anything to see it takes to end: a tenth of a second, so that one request after the other does
/// not start it each time.
const LINGER: u32 = 20;
const TIMER_TICK: Duration = Duration::from_millis(1);
const LEAST_DRAIN: u32 = 3;
/// Half a minute: who is told more comes back anyway, or never.
const MOST_DRAIN: u32 = 30;

#[cfg(all(test, not(macadam_loom)))]
mod tests {
    use tokio::{
        runtime::{Builder, Runtime},
        task::yield_now,
    };

    use super::*;
    use crate::sync::atomic::AtomicUsize;

    /// How many of two hundred tasks that are ready have been polled when `wait` is over.
    fn polled_before<F: Future<Output = ()> + Send + 'static>(
        runtime: &Runtime,
        wait: impl FnOnce() -> F,
    ) -> usize {
        let polled = Arc::new(AtomicUsize::new(0));
        let wait = wait();
        let beat = runtime.spawn(async move {
            for _ in 0..200 {
                let polled = Arc::clone(&polled);
                tokio::spawn(async move { polled.fetch_add(1, Relaxed) });
            }
            wait.await;
            polled.load(Relaxed)
        });
        runtime.block_on(beat).expect("it ends")
    }

    #[test]
    fn a_beat_comes_after_all_that_was_ready() {
        let one_worker = Builder::new_multi_thread().worker_threads(1).build().expect("a runtime can be had");
        let one_thread = Builder::new_current_thread().build().expect("a runtime can be had");
        for runtime in [&one_worker, &one_thread] {
            assert_eq!(polled_before(runtime, back_of_the_queue), 200);
        }
        assert!(
            polled_before(&one_worker, yield_now) < 200,
            "what the runtime offers is no measure of the queue"
        );
    }
}
