//! Timing, where a machine is at hand that is quiet enough.

#![expect(clippy::disallowed_methods, reason = "a machine's own time is what is measured")]

use std::time::Instant;

use crate::cases::Case;

/// The nanoseconds of one pass through each case, beyond those of the case that it is beside.
///
/// They take turns, many times over, and the best of each is what counts: all that a machine does meanwhile makes a
/// case slower, and nothing makes it faster.
pub(crate) fn nanos(cases: &[Case]) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; cases.len()];
    for _ in 0..TURNS {
        for (best, case) in best.iter_mut().zip(cases) {
            *best = best.min(time(case));
        }
    }
    let beside = |case: &Case| cases.iter().position(|other| Some(other.name) == case.beside);
    cases.iter().zip(&best).map(|(case, nanos)| nanos - beside(case).map_or(0.0, |at| best[at])).collect()
}

fn time(case: &Case) -> f64 {
    let began = Instant::now();
    (case.run)(PASSES);
    began.elapsed().as_nanos() as f64 / f64::from(PASSES)
}

const TURNS: usize = 500;
const PASSES: u32 = 2_000;
