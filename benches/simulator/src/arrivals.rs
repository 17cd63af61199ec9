//! When requests come.

use crate::{
    random::Random,
    time::{NEVER, Nanos, nanos},
};

/// A stretch of time with one rate of arrivals, in requests a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phase {
    /// How long it takes, in seconds.
    pub seconds: f64,
    /// Requests a second, on average.
    pub rate: f64,
    /// How many times as many come in a burst; 1 is a Poisson process.
    ///
    /// Bursts take 50 ms on average and an eighth of the time, and the rate between them is lower accordingly.
    pub burst: f64,
}

impl Phase {
    /// A Poisson process.
    #[must_use]
    pub fn poisson(seconds: f64, rate: f64) -> Self {
        Self { seconds, rate, burst: 1.0 }
    }
}

#[derive(Debug)]
pub(crate) struct Arrivals {
    phases: std::vec::IntoIter<Phase>,
    phase: Phase,
    phase_ends: Nanos,
    in_burst: bool,
    burst_ends: Nanos,
    next: Nanos,
    random: Random,
}

impl Arrivals {
    pub(crate) fn new(phases: Vec<Phase>, random: Random) -> Self {
        let mut arrivals = Self {
            phases: phases.into_iter(),
            phase: Phase::poisson(0.0, 0.0),
            phase_ends: 0,
            in_burst: false,
            burst_ends: NEVER,
            next: 0,
            random,
        };
        arrivals.advance();
        arrivals
    }

    pub(crate) fn next(&self) -> Nanos {
        self.next
    }

    /// Goes on to the next arrival. The process has no memory, so at each boundary it is drawn anew.
    pub(crate) fn advance(&mut self) {
        loop {
            let at = match self.rate() {
                rate if rate > 0.0 => self.next.saturating_add(nanos(self.random.exponential() / rate)),
                _ => NEVER,
            };
            let boundary = self.phase_ends.min(self.burst_ends);
            if at <= boundary && at < NEVER {
                self.next = at;
                return;
            }
            self.next = boundary;
            if boundary == self.burst_ends && boundary < self.phase_ends {
                self.turn(!self.in_burst);
                continue;
            }
            let Some(phase) = self.phases.next() else {
                self.next = NEVER;
                return;
            };
            self.phase = phase;
            self.phase_ends += nanos(phase.seconds);
            if phase.burst > 1.0 {
                self.turn(false);
            } else {
                self.in_burst = false;
                self.burst_ends = NEVER;
            }
        }
    }

    fn turn(&mut self, in_burst: bool) {
        self.in_burst = in_burst;
        let mean = if in_burst { BURST } else { BURST * (1.0 - SHARE) / SHARE };
        self.burst_ends = self.next + nanos(mean * self.random.exponential());
    }

    fn rate(&self) -> f64 {
        let Phase { rate, burst, .. } = self.phase;
        let quiet = rate / (1.0 - SHARE + SHARE * burst);
        if self.in_burst { quiet * burst } else { quiet }
    }
}

/// How long a burst takes on average, in seconds.
const BURST: f64 = 0.05;
/// Which share of the time is burst.
const SHARE: f64 = 0.125;
