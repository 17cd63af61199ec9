//! What the hot paths cost in instructions, held to a ceiling.
//!
//! `cargo run --release -p macadam-counted` runs each case of the table under callgrind and fails where one costs more
//! than it may. Instructions do not depend on how busy a machine is, so this can be asserted where a time cannot. They
//! are no time either: an atomic read-modify-write is one of them and costs some twenty, so those are counted apart.
//!
//! `cargo run --release -p macadam-counted -- timed` times the same cases, and asserts nothing.

mod callgrind;
mod cases;
mod peers;
mod spans;
mod texts;
mod timed;

use std::process::ExitCode;

use cases::{CASES, Case};
use spans::SPANS;
use texts::TEXTS;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match (args.next(), args.next()) {
        // What callgrind runs.
        (Some(name), Some(times)) => {
            let case = all().find(|case| case.name == name).expect("a case of the table");
            (case.run)(times.parse().expect("a number of times"));
            ExitCode::SUCCESS
        }
        (Some(how), None) if how == "timed" => {
            times();
            ExitCode::SUCCESS
        }
        _ => table(),
    }
}

fn all() -> impl Iterator<Item = &'static Case> {
    CASES.iter().chain(SPANS).chain(TEXTS)
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn times() {
    println!("{:<40} {:>20}", "case", "nanoseconds");
    for (case, nanos) in CASES.iter().zip(timed::nanos(CASES)).chain(SPANS.iter().zip(timed::nanos(SPANS))) {
        println!("{:<40} {nanos:>20.1}", case.name);
    }
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn table() -> ExitCode {
    let mut within = true;
    println!("{:<40} {:>20} {:>20}", "case", "instructions", "atomics");
    for case in all() {
        let cost = callgrind::cost(case.name) - case.beside.map(callgrind::cost).unwrap_or_default();
        let of = |cost: i64, ceiling: Option<i64>| match ceiling {
            Some(ceiling) => format!("{cost} of {ceiling}"),
            None => format!("{cost}"),
        };
        let ceiling = case.ceiling.as_ref();
        let fits =
            ceiling.is_none_or(|most| cost.instructions <= most.instructions && cost.atomics <= most.atomics);
        within &= fits;
        println!(
            "{:<40} {:>20} {:>20} {}",
            case.name,
            of(cost.instructions, ceiling.map(|most| most.instructions)),
            of(cost.atomics, ceiling.map(|most| most.atomics)),
            if fits { "" } else { "TOO MUCH" },
        );
    }
    if within { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
