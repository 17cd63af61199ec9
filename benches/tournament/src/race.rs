//! Arms side by side, under one schedule.

mod lane;

use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

pub use self::lane::Lane;
pub(crate) use self::lane::ask;
use crate::{
    account::{Account, PATIENCE, histogram},
    plant::Change,
    schedule::Schedule,
};

/// A run of some arms.
#[derive(Debug)]
pub struct Race {
    /// What became of the requests to each lane, in the lanes' order.
    pub accounts: Vec<Account>,
    /// How late the generator was, at the 99th percentile.
    pub lag: Duration,
}

impl Race {
    /// Sends every request of `schedule` to each of the lanes when it is due, and makes each of the `changes` to their
    /// plants at its time. Returns when the last request is over.
    ///
    /// The generator is the thread that calls this, and waits for no answer.
    pub fn run(lanes: Vec<Lane>, schedule: &Schedule, changes: &[(Duration, Change)]) -> Self {
        let start = Instant::now() + HEAD_START;
        let mut changes = changes.iter().peekable();
        let mut lag = Lag::default();
        for &arrival in schedule.arrivals() {
            let due = arrival.due;
            while let Some((at, change)) = changes.next_if(|(at, _)| *at <= due) {
                sleep_until(start + *at);
                lanes.iter().for_each(|lane| lane.change(*change));
            }
            sleep_until(start + due);
            for lane in &lanes {
                lane.send(start, arrival);
                lag.note(start + due);
            }
        }
        // Each is over when its client's patience is.
        sleep_until(Instant::now() + PATIENCE + GRACE);
        Self { accounts: lanes.into_iter().map(Lane::finish).collect(), lag: lag.p99() }
    }

    /// Whether the generator was late itself, so that what it measured says nothing.
    pub fn is_void(&self) -> bool {
        self.lag > MAX_LAG
    }
}

/// How late requests were sent.
pub(crate) struct Lag(Histogram<u32>);

impl Lag {
    /// One has been sent just now.
    pub(crate) fn note(&mut self, due: Instant) {
        self.0.saturating_record(due.elapsed().as_micros() as u64);
    }

    pub(crate) fn p99(&self) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(0.99))
    }
}

impl Default for Lag {
    fn default() -> Self {
        Self(histogram())
    }
}

/// A thread's sleep, which is some 60 µs late, where tokio's is up to a millisecond.
#[expect(clippy::disallowed_methods, reason = "the generator is a thread outside every runtime")]
pub(crate) fn sleep_until(at: Instant) {
    let left = at.saturating_duration_since(Instant::now());
    if !left.is_zero() {
        std::thread::sleep(left);
    }
}

/// What a generator may be late at the 99th percentile.
pub const MAX_LAG: Duration = Duration::from_millis(1);

const HEAD_START: Duration = Duration::from_millis(20);
const GRACE: Duration = Duration::from_millis(100);
