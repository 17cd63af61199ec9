//! Thousands of connections that do nothing, and what they do to a service.

use crate::Result;
use crate::line::Line;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many connections; more than 20,000 need descriptors, and memory for both ends
    #[arg(long, value_name = "N", default_value_t = 15_000)]
    connections: u32,
}

/// Runs the crowd in release, against the service with all its limits as they are by default: some two minutes.
///
/// # Errors
/// Where something does not build or run, or is not as demanded; the table says what.
pub(crate) fn run(args: &Args) -> Result {
    // The crowd starts it as a process of its own, from where its own binary is.
    Line::new("cargo build --release --package torture").run()?;
    let crowd = Line::new("cargo run --release --package macadam-crowd -- --connections");
    crowd.word(args.connections.to_string()).run()
}

/// The same in a few seconds each, for CI, whose machines are busy.
pub(crate) fn run_short() -> Result {
    Line::new("cargo build --package torture").run()?;
    let crowd = "cargo run --package macadam-crowd -- --connections 2000 --first-byte 3 --header 4 --cap 500";
    Line::new(crowd).word("--p99-ms").word("250").word("--cpu-percent").word("25").run()
}
