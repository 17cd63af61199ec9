//! Counting, by valgrind.

use std::{env, ops::Sub, process::Command};

/// Of one pass through a case.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) instructions: i64,
    /// Those of them that are an atomic read-modify-write, or a fence.
    pub(crate) atomics: i64,
}

impl Sub for Cost {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { instructions: self.instructions - other.instructions, atomics: self.atomics - other.atomics }
    }
}

/// The difference between a few passes and many: what a program does at its start and end is in both.
pub(crate) fn cost(case: &str) -> Cost {
    let all = run(case, FEW + PASSES) - run(case, FEW);
    let one = |all: i64| (all + PASSES / 2).div_euclid(PASSES);
    Cost { instructions: one(all.instructions), atomics: one(all.atomics) }
}

fn run(case: &str, times: i64) -> Cost {
    let program = env::current_exe().expect("a running program has a path");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--collect-bus=yes", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([case, &times.to_string()])
        .output()
        .expect("valgrind is installed");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let counts = text.lines().find_map(|line| line.split_once("Collected :")).expect("callgrind counts").1;
    let mut counts = counts.split_whitespace().map(|count| count.parse().expect("counts are numbers"));
    let mut next = || counts.next().expect("callgrind counts instructions, then bus events");
    Cost { instructions: next(), atomics: next() }
}

const FEW: i64 = 1_000;
const PASSES: i64 = 10_000;
