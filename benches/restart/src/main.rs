//! Restarts services under load, and counts what a client that never retries loses by it.
//!
//! `cargo xtask e2e-restart` builds and runs it, part by part: a table on stdout, what it is doing on stderr. Everything
//! is a process of its own, and on the loopback: `examples/torture` as ours, this binary as the control, HAProxy, nginx.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command talks on its terminal")]

mod control;
mod ending;
mod http1;
mod http2;
mod instance;
mod load;
mod part;
mod proxy;
mod table;

use std::{error::Error, fs, net::SocketAddr, process::ExitCode, thread, time::Duration};

use clap::{Args, Parser, Subcommand};

use crate::{
    instance::Follow,
    part::{Part, Plan},
};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Restarts services under load, and counts what a client that never retries loses by it
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Measure a part, and print its table
    Part(PartArgs),
    /// Be the control
    #[command(hide = true)]
    ServeAxum { address: SocketAddr },
}

#[derive(Args)]
struct PartArgs {
    part: Part,

    /// Restarts in each row, and shutdowns in the race; 60 of those that overlap, and 100 of the others, unless set
    #[arg(long, value_name = "N")]
    restarts: Option<usize>,

    /// Requests a second
    #[arg(long, default_value_t = 2000.0)]
    rate: f64,

    /// Connections that are kept
    #[arg(long, default_value_t = 200)]
    connections: usize,

    /// What the instants of the requests are drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// Fewer rows, and no bound on times: for a machine that is busy
    #[arg(long)]
    quick: bool,

    /// Leave out the control
    #[arg(long)]
    no_control: bool,

    /// Let ours refuse nothing, also where a busy machine keeps it from its work
    #[arg(long)]
    no_shedding: bool,

    /// Let two instances listen at once, instead of one passing its listener to the other
    #[arg(long)]
    reuse_port: bool,

    /// How late the generator may be, at the 99th percentile, before a run is void
    #[arg(long, value_name = "MS", default_value_t = 5)]
    max_lag: u64,
}

fn main() -> ExitCode {
    macadam_serve::raise_descriptor_limit();
    let done = match Cli::parse().role {
        Role::ServeAxum { address } => control::serve(address).map(|()| true),
        Role::Part(args) => Ok(measure(&args)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("macadam-restart: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all was as demanded.
fn measure(args: &PartArgs) -> bool {
    let plan = Plan {
        restarts: args.restarts.unwrap_or(args.part.restarts()),
        rate: args.rate,
        connections: args.connections,
        seed: args.seed,
        is_quick: args.quick,
        sheds: !args.no_shedding,
        control: !args.no_control,
        overlap: if args.reuse_port { Follow::Close } else { Follow::Pass },
        max_lag: Duration::from_millis(args.max_lag),
    };
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!("{} times in each row, on {cores} cores of {}.\n", plan.restarts, processor());
    println!("{}", table::HEAD);
    let mut is_good = true;
    args.part.run(&plan, &mut |row| {
        is_good &= row.verdict.is_good();
        println!("{row}");
    });
    is_good
}

/// Says what is going on.
fn doing(what: &str) {
    eprintln!("{what}");
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim().to_owned());
    name.unwrap_or_else(|| "a processor that does not say its name".into())
}
