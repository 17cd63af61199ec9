//! A crowd of connections that send nothing, or next to nothing; the service that they hold; and a healthy client.
//!
//! `cargo xtask crowd` builds and runs it. The service is `examples/torture` as a process of its own, with all defaults
//! but those that are given here; the crowd is this process, from several addresses of the loopback, since one has no
//! more than some 28,000 ports; the healthy client is a thread of it. "Anew" is what it sees with
//! a connection for each request.

#![expect(clippy::print_stdout, reason = "it is a command, and this is what it is for")]

mod crowd;
mod healthy;
mod server;

use std::{process::ExitCode, time::Duration};

use clap::Parser;

use crate::{crowd::Kind, healthy::Healthy, server::Server};

/// Holds connections without using them, and prints who was gone when, and what that cost.
#[derive(Parser)]
struct Args {
    /// How many connections hold the service in each run
    #[arg(long, default_value_t = 15_000)]
    connections: usize,

    /// How long the service waits for a first byte, in seconds
    #[arg(long, default_value_t = 10)]
    first_byte: u64,

    /// How long the service waits for a head, in seconds
    #[arg(long, default_value_t = 20)]
    header: u64,

    /// The most connections of the service in the second half of the runs
    #[arg(long, default_value_t = 1000)]
    cap: usize,

    /// How many of them come each second
    #[arg(long, default_value_t = 5000)]
    rate: u32,

    /// What a healthy client's p99 may be
    #[arg(long, default_value_t = 10)]
    p99_ms: u64,

    /// What part of a core the service may use while they wait
    #[arg(long, default_value_t = 2)]
    cpu_percent: u32,
}

/// For how long the healthy client has the service to itself; what it takes then is not the crowd's doing.
const ALONE: Duration = Duration::from_secs(3);
/// How much later than its limit a connection may be gone.
const LATE: Duration = Duration::from_millis(1500);

fn main() -> ExitCode {
    macadam_serve::raise_descriptor_limit();
    let args = Args::parse();
    println!(
        "| {} connections | cap | limit | gone after: median, last | of them by a reset | CPU for them while they wait | memory | healthy: p50, p99, worst | anew: p50, p99, worst | |",
        args.connections
    );
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let mut all_good = true;
    for cap in [args.connections + 1000, args.cap] {
        for kind in [Kind::Silent, Kind::Trickling, Kind::Half] {
            all_good &= run(&args, cap, kind);
        }
    }
    if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One row; says whether all is as demanded.
fn run(args: &Args, cap: usize, kind: Kind) -> bool {
    let limit = Duration::from_secs(if kind == Kind::Silent { args.first_byte } else { args.header });
    let server = Server::start(&[
        ("MACADAM_SERVE_FIRST_BYTE", format!("{}s", args.first_byte)),
        ("MACADAM_SERVE_HEADER", format!("{}s", args.header)),
        ("MACADAM_SERVE_MAX_CONNECTIONS", cap.to_string()),
    ]);
    let healthy = Healthy::start(server.address);
    let alone = server.cpu_during(ALONE);
    let crowd = crowd::gather(&server, kind, args.connections, args.rate, limit);
    let [kept, anew] = healthy.stop();
    let cpu = crowd.cpu - alone;

    let last = crowd.gone.last().copied().unwrap_or_default();
    let median = crowd.gone[crowd.gone.len() / 2];
    let all_gone = crowd.gone.len() == args.connections && last <= limit + LATE;
    let well = [&kept, &anew]
        .iter()
        .all(|waits| waits.failed == 0 && waits.at(0.99) <= Duration::from_millis(args.p99_ms));
    let is_good = all_gone && well && cpu * 100.0 <= f64::from(args.cpu_percent);
    println!(
        "| {kind} | {cap} | {} s | {:.1} s, {:.1} s | {} | {:.1} % of a core | {} MB | {kept} | {anew} | {} |",
        limit.as_secs(),
        median.as_secs_f64(),
        last.as_secs_f64(),
        crowd.reset,
        cpu * 100.0,
        crowd.memory >> 20,
        if is_good { "as demanded" } else { "not as demanded" },
    );
    is_good
}
