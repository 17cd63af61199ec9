//! Probes of a service that is blocked or overloaded.

use crate::Result;
use crate::line::Line;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only this part, which is blocked, overload, layer or stall; may be repeated
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
}

/// Probes in release, two minutes in all, on a machine that should do nothing else.
///
/// # Errors
/// Where something does not build or run, or is not as demanded; the table says what.
pub(crate) fn run(args: &Args) -> Result {
    // It is started as a process of its own, from where the harness' own binary is.
    Line::new("cargo build --release --package torture").run()?;
    let probes = Line::new("cargo run --release --package macadam-probes --");
    args.only.iter().fold(probes, |line, part| line.word("--only").word(part)).run()
}

/// The same in a few seconds each, for CI, whose machines are busy.
pub(crate) fn run_short() -> Result {
    Line::new("cargo build --package torture").run()?;
    Line::new("cargo run --package macadam-probes -- --seconds 2 --rate 100 --stalls 2 --lenience 20").run()
}
