//! Timing, where a machine is at hand that is quiet enough.

#![expect(clippy::disallowed_methods, reason = "a machine's own time is what is measured")]

use std::time::Instant;

use crate::cases::Case;

/// The nanoseconds of one pass through each case, beyond the case that it is beside.
///
/// In each round all of them run, and what is told is the median of the rounds' differences: whatever else the machine
/// does meanwhile hits both sides alike, or few rounds.
pub(crate) fn nanos(cases: &[Case]) -> Vec<f64> {
    let rounds: Vec<Vec<f64>> = (0..ROUNDS).map(|_| round(cases)).collect();
    (0..cases.len()).map(|case| median(rounds.iter().map(|round| round[case]))).collect()
}

fn round(cases: &[Case]) -> Vec<f64> {
    let all: Vec<f64> = cases.iter().map(time).collect();
    let beside = |case: &Case| cases.iter().position(|other| Some(other.name) == case.beside);
    cases.iter().zip(&all).map(|(case, nanos)| nanos - beside(case).map_or(0.0, |at| all[at])).collect()
}

fn time(case: &Case) -> f64 {
    let began = Instant::now();
    (case.run)(PASSES);
    began.elapsed().as_nanos() as f64 / f64::from(PASSES)
}

fn median(figures: impl Iterator<Item = f64>) -> f64 {
    let mut figures: Vec<f64> = figures.collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

const ROUNDS: usize = 101;
const PASSES: u32 = 10_000;
