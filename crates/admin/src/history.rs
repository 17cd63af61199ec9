//! The last minute, second by second. It is told what was read and when, and has no clock.

use std::{collections::VecDeque, time::Duration};

use macadam_core::{Durations, Outcome, Outcomes};
use serde::Serialize;
use tokio::time::Instant;

/// What became of the requests, and how fast.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Requests {
    /// For how long the rates and quantiles below look back, at most 10 s.
    pub(crate) window_seconds: f64,
    pub(crate) per_second: f64,
    pub(crate) failed_per_second: f64,
    pub(crate) shed_per_second: f64,
    /// Within which time half of those were over that were not shed.
    pub(crate) p50_ms: Option<f64>,
    pub(crate) p95_ms: Option<f64>,
    pub(crate) p99_ms: Option<f64>,
    /// The last minute, the oldest first.
    pub(crate) seconds: Vec<Second>,
}

/// What ended in one second.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Second {
    pub(crate) per_second: f64,
    pub(crate) failed_per_second: f64,
    pub(crate) shed_per_second: f64,
    pub(crate) p99_ms: Option<f64>,
}

/// The readings of the last minute, one a second, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct History {
    readings: VecDeque<Reading>,
}

/// What only ever grows, at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    at: Instant,
    counts: Counts,
    durations: Durations,
}

#[derive(Clone, Copy, Debug)]
struct Counts {
    all: u64,
    failed: u64,
    shed: u64,
}

impl Reading {
    pub(crate) fn of(outcomes: &Outcomes, at: Instant) -> Self {
        let counts = Counts {
            all: Outcome::ALL.iter().map(|outcome| outcomes.count(*outcome)).sum(),
            failed: outcomes.failed(),
            shed: outcomes.count(Outcome::Shed),
        };
        Self { at, counts, durations: outcomes.durations() }
    }
}

impl History {
    pub(crate) fn add(&mut self, reading: Reading) {
        if self.readings.len() > MINUTE {
            self.readings.pop_front();
        }
        self.readings.push_back(reading);
    }

    pub(crate) fn requests(&self) -> Requests {
        let pairs = self.readings.iter().zip(self.readings.iter().skip(1));
        let seconds = pairs
            .map(|(from, to)| {
                let Requests { per_second, failed_per_second, shed_per_second, p99_ms, .. } =
                    between(from, to);
                Second { per_second, failed_per_second, shed_per_second, p99_ms }
            })
            .collect();
        let first = self.readings.iter().rev().nth(WINDOW).or(self.readings.front());
        let now = first.zip(self.readings.back()).map(|(from, to)| between(from, to));
        Requests { seconds, ..now.unwrap_or_default() }
    }
}

fn between(from: &Reading, to: &Reading) -> Requests {
    let span = to.at.saturating_duration_since(from.at).as_secs_f64();
    let rate = |count: fn(&Counts) -> u64| match count(&to.counts).saturating_sub(count(&from.counts)) {
        0 => 0.0,
        grown => grown as f64 / span.max(f64::EPSILON),
    };
    let durations = to.durations.since(&from.durations);
    let quantile = |share| durations.quantile(share).as_ref().map(millis);
    Requests {
        window_seconds: span,
        per_second: rate(|counts| counts.all),
        failed_per_second: rate(|counts| counts.failed),
        shed_per_second: rate(|counts| counts.shed),
        p50_ms: quantile(0.50),
        p95_ms: quantile(0.95),
        p99_ms: quantile(0.99),
        seconds: Vec::new(),
    }
}

pub(crate) fn millis(duration: &Duration) -> f64 {
    duration.as_micros() as f64 / 1e3
}

const MINUTE: usize = 60;
const WINDOW: usize = 10;

#[cfg(test)]
mod tests {
    use http::Request;
    use macadam_core::RequestContext;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    struct Clock {
        outcomes: Outcomes,
        history: History,
        now: Instant,
    }

    impl Clock {
        fn new() -> Self {
            let mut clock =
                Self { outcomes: Outcomes::new(), history: History::default(), now: Instant::now() };
            clock.read();
            clock
        }

        fn read(&mut self) {
            self.history.add(Reading::of(&self.outcomes, self.now));
        }

        /// A second passes, in which so many requests end like this.
        fn second(&mut self, requests: u64, outcome: Outcome) {
            for _ in 0..requests {
                let context = RequestContext::of(&mut Request::new(()));
                context.settle(outcome);
                self.outcomes.end(&context, None, false);
            }
            self.now += SECOND;
            self.read();
        }
    }

    #[test]
    fn rates_are_those_of_the_last_10_s() {
        let mut clock = Clock::new();
        clock.second(1_000, Outcome::Finished);
        for _ in 0..5 {
            clock.second(20, Outcome::Finished);
            clock.second(10, Outcome::Shed);
        }
        let requests = clock.history.requests();
        assert_eq!(
            (requests.window_seconds, requests.per_second, requests.shed_per_second),
            (10.0, 15.0, 5.0)
        );
        assert!(requests.p99_ms.is_some());
        clock.second(30, Outcome::Panicked);
        assert_eq!(clock.history.requests().failed_per_second, 3.0);
    }

    #[test]
    fn in_the_first_10_s_they_are_those_since_the_start_and_before_the_first_none() {
        let mut clock = Clock::new();
        let requests = clock.history.requests();
        assert_eq!((requests.window_seconds, requests.per_second, requests.p50_ms), (0.0, 0.0, None));
        clock.second(7, Outcome::Finished);
        let requests = clock.history.requests();
        assert_eq!((requests.window_seconds, requests.per_second), (1.0, 7.0));
        assert_eq!(History::default().requests().per_second, 0.0);
    }

    #[test]
    fn a_minute_is_kept_second_by_second_and_no_more() {
        let mut clock = Clock::new();
        (0..100).for_each(|requests| clock.second(requests, Outcome::Finished));
        let rates: Vec<_> = clock.history.requests().seconds.iter().map(|second| second.per_second).collect();
        assert_eq!(rates, (40..100).map(f64::from).collect::<Vec<_>>());
    }
}
