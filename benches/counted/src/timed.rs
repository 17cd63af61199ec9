//! Timing, where a machine is at hand that is quiet enough.

#![expect(clippy::disallowed_methods, reason = "a machine's own time is what is measured")]

use std::{hint::black_box, time::Instant};

use crate::cases::Case;

/// The nanoseconds of one pass through each case, beyond those of the case that it is beside.
///
/// They take turns, many times over, and the best of each is what counts: all that a machine does meanwhile makes a
/// case slower, and nothing makes it faster. Nor should a case have luck with its stack, whose place decides what it costs
/// to read in large pieces what was written in small ones: that is another one each turn.
pub(crate) fn nanos(cases: &[Case]) -> Vec<f64> {
    let mut best = vec![f64::INFINITY; cases.len()];
    for turn in 0..TURNS {
        for (best, case) in best.iter_mut().zip(cases) {
            *best = best.min(deeper(turn % PLACES, case));
        }
    }
    let beside = |case: &Case| cases.iter().position(|other| Some(other.name) == case.beside);
    cases.iter().zip(&best).map(|(case, nanos)| nanos - beside(case).map_or(0.0, |at| best[at])).collect()
}

/// Times it so many frames down the stack.
#[inline(never)]
fn deeper(frames: usize, case: &Case) -> f64 {
    let frame = black_box([0_u8; 16]);
    let nanos = if frames == 0 { time(case) } else { deeper(frames - 1, case) };
    black_box(frame);
    nanos
}

fn time(case: &Case) -> f64 {
    let began = Instant::now();
    (case.run)(PASSES);
    began.elapsed().as_nanos() as f64 / f64::from(PASSES)
}

const TURNS: usize = 500;
const PASSES: u32 = 2_000;
/// More than there are 16-byte places in a cache line.
const PLACES: usize = 16;
