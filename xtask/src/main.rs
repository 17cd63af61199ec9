//! `cargo xtask`: every CI job and every generated file, as a command that runs the same everywhere.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks on its terminal")]

mod ci;
mod collectors;
mod crowd;
mod debian;
mod defaults;
mod generated;
mod health;
mod http;
mod line;
mod page;
mod probes;
mod restart;
mod service;
mod slo;
mod status_page;
mod stopwatch;
mod telemetry;
mod tidy;
mod tournament;
mod workspace;

use std::env;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// What every job returns: nothing, or one line that says what went wrong.
type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// macadam's chores: what CI runs, and what is generated.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Run CI's jobs, all of them or those named
    Ci(ci::Args),
    /// Check the invariants that the compiler cannot: tiers, features, lints, names, versions
    Tidy,
    /// Write docs/defaults.md from the table of settings
    Defaults(defaults::Args),
    /// Write docs/telemetry.md from the lists of metrics and fields
    Telemetry(telemetry::Args),
    /// Write recording rules, alerts and a dashboard, by default those in slo/
    Slo(slo::Args),
    /// Run the tournament of load shedders, and write docs/load-shed from it
    Tournament(tournament::Args),
    /// Restart services under load, and write into docs/restarts.md what clients lost by it
    E2eRestart(restart::Args),
    /// Take Postgres and Redis from a service, and print what its probes say of that
    E2eHealth,
    /// Probe a service that is blocked or overloaded, and print how long its answers take
    E2eProbes(probes::Args),
    /// Have Prometheus and an OpenTelemetry collector watch a service, and hold what they understand to the conventions
    E2eTelemetry(collectors::Args),
    /// Show the status page in headless Chromium, hold it to what is said of it, and write its pictures into docs/status-page
    E2ePage,
    /// Hold a service by 15,000 connections that do nothing, and print what that does
    Crowd(crowd::Args),
}

fn main() -> ExitCode {
    let Cli { chore } = Cli::parse();
    let done = to_the_root().and_then(|()| match chore {
        Chore::Ci(args) => ci::run(&args),
        Chore::Tidy => tidy::run(),
        Chore::Defaults(args) => defaults::run(&args),
        Chore::Telemetry(args) => telemetry::run(&args),
        Chore::Slo(args) => slo::run(&args),
        Chore::Tournament(args) => tournament::run(&args),
        Chore::E2eRestart(args) => restart::run(&args),
        Chore::E2eHealth => health::run(),
        Chore::E2eProbes(args) => probes::run(&args),
        Chore::E2eTelemetry(args) => collectors::run(&args),
        Chore::E2ePage => status_page::run(),
        Chore::Crowd(args) => crowd::run(&args),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Paths in here are relative to the repository's root, whichever folder the command was typed in.
fn to_the_root() -> Result {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask/ has no parent")?;
    Ok(env::set_current_dir(root)?)
}

/// Cargo's target folder.
fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()).into()
}
