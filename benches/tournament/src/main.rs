//! Runs the tournament: tables on stdout, what it is doing on stderr, figures into a folder.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks on its terminal")]

use std::{error::Error, net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};
use macadam_tournament::{
    account::{Account, Verdict},
    arm::Arm,
    figure, http, report,
    tournament::{Outcome, Plan},
};

/// Offers today's load shedders and ours more than there is room for
#[derive(Parser)]
struct Cli {
    /// One seed, and no more points than the tables have: about five minutes
    #[arg(long)]
    quick: bool,

    /// How often each scenario is run
    #[arg(long, value_name = "N")]
    seeds: Option<u64>,

    /// Only scenarios whose names contain this
    #[arg(long, value_name = "PART")]
    scenario: Option<String>,

    /// Only arms whose names begin so: nothing, tuned, tower-64, tower-512, little, aimd, vegas, ours; may be repeated
    #[arg(long, value_name = "NAME")]
    arm: Vec<String>,

    /// Say what became of the requests of each tenth of a second
    #[arg(long)]
    trace: bool,

    /// Where the figures go
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,

    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Be the service of a peer, for the runs over HTTP
    #[command(hide = true)]
    Serve { arm: Arm, address: SocketAddr },
}

fn main() -> Result<(), Box<dyn Error>> {
    let cli = Cli::parse();
    if let Some(Role::Serve { arm, address }) = cli.role {
        return Ok(http::serve(arm, address)?);
    }
    let mut plan = if cli.quick { Plan::quick() } else { Plan::full() };
    plan.seeds = cli.seeds.unwrap_or(plan.seeds);
    plan.scenario = cli.scenario;
    plan.arms = cli.arm;

    let outcome = Outcome::of(
        &plan,
        |doing| eprintln!("{doing}"),
        |scenario, arm, account| {
            if cli.trace {
                trace(scenario, arm, account);
            }
        },
    );
    let command = if cli.quick { "cargo xtask tournament --quick" } else { "cargo xtask tournament" };
    print!("{}", report::markdown(&outcome, &format!("{command} --seeds {}", plan.seeds)));
    if let Some(folder) = cli.figures {
        figure::write(&outcome, &folder)?;
    }
    Ok(())
}

fn trace(scenario: &str, arm: Arm, account: &Account) {
    eprintln!("{scenario}: {arm}");
    eprintln!("{:>6} {:>8} {:>8} {:>8} {:>8} {:>8}", "s", "offered", "good/s", "shed", "gave up", "p99 ms");
    let mut at = Duration::ZERO;
    loop {
        let span = at..at + STEP;
        let offered = account.offered(&span);
        if offered == 0 {
            return;
        }
        let (shed, gave_up) = (account.count(&span, Verdict::Shed), account.count(&span, Verdict::GaveUp));
        let p99 = account.latency(&span, 0.99).unwrap_or_default().as_secs_f64() * 1e3;
        let goodput = account.goodput(&span);
        eprintln!("{:6.1} {offered:8} {goodput:8.0} {shed:8} {gave_up:8} {p99:8.1}", at.as_secs_f64());
        at += STEP;
    }
}

const STEP: Duration = Duration::from_millis(100);
