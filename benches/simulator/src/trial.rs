//! What is done to a plant, and what has to come of it.

mod clients;
mod downstreams;

pub use self::{clients::Relapse, downstreams::Slowdown};

use crate::{
    arrivals::Phase,
    backend::Change,
    capacity::Capacity,
    law::Law,
    plant::{Plant, Script},
    record::Record,
};

/// A plant, and what it can do at best.
#[derive(Clone, Copy, Debug)]
pub struct Stand {
    /// The plant.
    pub plant: Plant,
    /// What it can do.
    pub capacity: Capacity,
}

/// What came of a steady overload.
#[derive(Clone, Copy, Debug)]
pub struct Overload {
    /// The share of the capacity that was of use.
    pub goodput: f64,
    /// By how much the 99th percentile of those admitted is above [`Capacity::p99`], in seconds.
    pub late: f64,
    /// The mean limit.
    pub limit: f64,
}

/// What came of a capacity that fell and returned.
#[derive(Clone, Copy, Debug)]
pub struct Dip {
    /// The share of what was possible that was of use.
    pub goodput: f64,
    /// Until 95 % of the capacity were reached again for a second, in seconds; infinite if never.
    pub back: f64,
}

/// How the limit moved over a long time.
#[derive(Clone, Copy, Debug)]
pub struct Drift {
    /// The slope of its least squares line over the means of minutes, an hour.
    pub slope: f64,
    /// Half of the slope's 95 % confidence interval.
    pub margin: f64,
    /// The mean limit.
    pub limit: f64,
}

impl Stand {
    /// Measures the plant with up to `most` in flight.
    #[must_use]
    pub fn new(plant: Plant, most: u32) -> Self {
        // Not a seed of any trial.
        Self { plant, capacity: plant.capacity(most, 0x6d61_6361) }
    }

    /// `times` the capacity, once there was time to settle: 5 s, and longer where a request takes longer than 20 ms, so
    /// that a law has seen as much as there.
    #[must_use]
    pub fn overload(&self, times: f64, law: Law, seed: u64) -> Overload {
        self.steady(times, (SETTLING * self.plant.work.mean()).max(WARM_UP), law, seed)
    }

    /// The same from the fifth second on, whatever a law has seen by then.
    #[must_use]
    pub fn cold(&self, times: f64, law: Law, seed: u64) -> Overload {
        self.steady(times, WARM_UP, law, seed)
    }

    /// `times` the capacity, of which 15 s count, and more where there would be fewer than 6000 completions.
    fn steady(&self, times: f64, from: f64, law: Law, seed: u64) -> Overload {
        let seconds = (6000.0 / self.capacity.goodput).clamp(15.0, 150.0).round();
        let end = from + seconds;
        let record = self.run(&[(end, times)], &[], law, seed);
        let sum = record.sum(from, end);
        // The last second's may still be on their way.
        let late = record.latency(0.99, from, end - 1.0) - self.capacity.p99;
        Overload { goodput: sum.goodput() / self.capacity.goodput, late, limit: sum.limit }
    }

    /// The share of those sent that were refused, at a load that can be served.
    #[must_use]
    pub fn false_sheds(&self, times: f64, law: Law, seed: u64) -> f64 {
        let record = self.run(&[(60.0, times)], &[], law, seed);
        let sum = record.sum(0.0, 60.0);
        sum.shed / sum.offered
    }

    /// The share of those sent that were served, at a load that can be.
    #[must_use]
    pub fn served(&self, times: f64, law: Law, seed: u64) -> f64 {
        let record = self.run(&[(60.0, times)], &[], law, seed);
        let sum = record.sum(0.0, 60.0);
        sum.good / sum.offered
    }

    /// The capacity falls to `share` by `fall` after 10 s, and returns by `rise` after 20; `times` the whole is offered.
    #[must_use]
    pub fn dip(&self, times: f64, (fall, rise): (Change, Change), share: f64, law: Law, seed: u64) -> Dip {
        let record = self.run(&[(30.0, times)], &[(10.0, fall), (20.0, rise)], law, seed);
        let possible = self.capacity.goodput * (15.0 + 10.0 * share);
        let goodput = record.sum(5.0, 30.0).good / possible;
        let back = first(20.0, 29.0, |t| record.sum(t, t + 1.0).goodput() >= 0.95 * self.capacity.goodput);
        Dip { goodput, back: back - 20.0 }
    }

    /// The share of those sent in 6 s at seven tenths of the capacity that are served, after 4 s at ten times.
    #[must_use]
    pub fn aftermath(&self, law: Law, seed: u64) -> f64 {
        let record = self.run(&[(4.0, 10.0), (6.0, 0.7)], &[], law, seed);
        let sum = record.sum(4.0, 10.0);
        sum.good / sum.offered
    }

    /// From half of the capacity to three times: how long until in half a second at least nine tenths of it are of use,
    /// and those sent in that time keep the 99th percentile. In seconds; infinite if never.
    #[must_use]
    pub fn surge(&self, law: Law, seed: u64) -> f64 {
        let record = self.run(&[(5.0, 0.5), (6.0, 3.0)], &[], law, seed);
        let settled = |t: f64| {
            record.sum(t, t + 0.5).goodput() >= 0.9 * self.capacity.goodput
                && record.latency(0.99, t, t + 0.5) <= self.capacity.p99 + 0.05
        };
        first(5.0, 10.0, settled) - 5.0
    }

    /// How long after every call began to time out the limit is 1, in seconds; infinite if never.
    #[must_use]
    pub fn stall(&self, law: Law, seed: u64) -> f64 {
        let record = self.run(&[(15.0, 2.0)], &[(5.0, Change::Slowness(1e4))], law, seed);
        let at_floor = |t: f64| record.sum(t, t + Record::BIN).limit <= 1.0;
        first(5.0, 14.9, at_floor) - 5.0
    }

    /// Three times the capacity for `minutes`, after a minute that is not counted.
    #[must_use]
    pub fn drift(&self, minutes: u32, law: Law, seed: u64) -> Drift {
        let seconds = 60.0 * f64::from(minutes + 1);
        let record = self.run(&[(seconds, 3.0)], &[], law, seed);
        let means: Vec<f64> = (1..=minutes)
            .map(|minute| record.sum(60.0 * f64::from(minute), 60.0 * f64::from(minute + 1)).limit)
            .collect();
        slope(&means)
    }

    /// A load for so many seconds each, in multiples of the capacity.
    #[must_use]
    pub fn run(&self, load: &[(f64, f64)], changes: &[(f64, Change)], law: Law, seed: u64) -> Record {
        let phase = |&(seconds, times): &(f64, f64)| Phase::poisson(seconds, times * self.capacity.goodput);
        let script = Script {
            phases: load.iter().map(phase).collect(),
            changes: changes.to_vec(),
            ..Script::default()
        };
        self.plant.run(&script, law.tuner(), seed)
    }
}

/// The first tenth of a second that `holds`.
fn first(from: f64, to: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let steps = ((to - from) / Record::BIN).round() as u32;
    (0..=steps).map(|step| from + f64::from(step) * Record::BIN).find(|&t| holds(t)).unwrap_or(f64::INFINITY)
}

fn slope(minutes: &[f64]) -> Drift {
    let n = minutes.len() as f64;
    let (mean_x, mean_y) = ((n - 1.0) / 2.0, minutes.iter().sum::<f64>() / n);
    let points = || minutes.iter().enumerate().map(|(x, y)| (x as f64 - mean_x, y - mean_y));
    let sum_xx: f64 = points().map(|(x, _)| x * x).sum();
    let slope = points().map(|(x, y)| x * y).sum::<f64>() / sum_xx;
    let squares: f64 = points().map(|(x, y)| (y - slope * x).powi(2)).sum();
    let error = (squares / (n - 2.0) / sum_xx).sqrt();
    Drift { slope: 60.0 * slope, margin: 60.0 * 2.0 * error, limit: mean_y }
}

/// In seconds.
const WARM_UP: f64 = 5.0;
/// In mean works: as many of 20 ms as the warm-up is.
const SETTLING: f64 = 250.0;
