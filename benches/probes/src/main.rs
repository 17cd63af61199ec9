//! Probes of a service that is on its knees: how long their answers take, and whether they are true.
//!
//! `cargo xtask e2e-probes` builds and runs it: a table on stdout. The service is `examples/torture` as a process of its
//! own, with all defaults; the load and the prober are threads of this one, on the same machine and the loopback.

#![expect(clippy::print_stdout, reason = "it is a command, and this is what it is for")]

mod client;
mod load;
mod machine;
mod prober;
mod service;
mod stall;

use std::{net::SocketAddr, process::ExitCode, thread, time::Duration};

use clap::{Parser, ValueEnum};
use tokio::{
    runtime::Builder,
    time::{Instant, sleep},
};

use crate::{
    client::Client,
    load::Load,
    prober::{Probed, Probing, Waits},
    service::{SLOTS, Service, WORKERS},
};

/// Probes a service that is blocked or overloaded, and measures how long its answers take
#[derive(Parser)]
struct Args {
    /// Only these
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,

    /// For how long each is probed
    #[arg(long, default_value_t = 10)]
    seconds: u64,

    /// Probes a second
    #[arg(long, default_value_t = 500)]
    rate: u32,

    /// How many stalls
    #[arg(long, default_value_t = 20)]
    stalls: usize,

    /// How many times longer each may take, on a machine that has other work too
    #[arg(long, default_value_t = 1)]
    lenience: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The admin listener, while every worker is blocked
    Blocked,
    /// The admin listener, while the other is offered four times what it can serve
    Overload,
    /// The layer on the public listener, while handlers burn four times the CPU that there is
    Layer,
    /// From a stall to the probe that says so, and back
    Stall,
}

fn main() -> ExitCode {
    macadam_serve::raise_descriptor_limit();
    let args = Args::parse();
    let cores = thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{} probes a second for {} s, on {cores} cores of {}.\n",
        args.rate,
        args.seconds,
        machine::processor()
    );
    println!("| what | p50, p99, p99.9, worst | lost | sent late: p99 | steal | must | |");
    println!("|---|---|---|---|---|---|---|");
    let is_asked = |part: &Part| args.only.is_empty() || args.only.contains(part);
    let mut all_good = true;
    for part in Part::value_variants().iter().filter(|part| is_asked(part)) {
        all_good &= match part {
            Part::Blocked => blocked(&args),
            Part::Overload => overload(&args),
            Part::Layer => layer(&args),
            Part::Stall => stall(&args),
        };
    }
    if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

impl Args {
    fn probing(&self, address: SocketAddr) -> Probing {
        let length = Duration::from_secs(self.seconds);
        Probing { address, path: "/readyz", rate: self.rate, length }
    }

    fn millis(&self, millis: u64) -> Duration {
        Duration::from_millis(millis) * self.lenience
    }

    /// One row for each kind of connection.
    fn rows(&self, what: &str, probed: &Probed, p99: u64, p999: Option<u64>) -> bool {
        let mut all_good = true;
        for (kind, waits) in [("kept", &probed.kept), ("anew", &probed.anew)] {
            let is_good = waits.lost == 0
                && waits.at(0.99) <= self.millis(p99)
                && p999.is_none_or(|p999| waits.at(0.999) <= self.millis(p999));
            let must = p999.map_or(String::new(), |p999| format!(", p99.9 ≤ {:?}", self.millis(p999)));
            println!(
                "| {what}, connections {kind} | {waits} | {} of {} | {:.1} ms | {:.1} % | none lost, p99 ≤ {:?}{must} | {} |",
                waits.lost,
                waits.count(),
                probed.lag.at(0.99).as_secs_f64() * 1000.0,
                probed.steal.percent(),
                self.millis(p99),
                verdict(is_good),
            );
            all_good &= is_good;
        }
        all_good
    }
}

fn blocked(args: &Args) -> bool {
    let service = Service::start();
    let asking = Builder::new_current_thread().enable_all().build().expect("a runtime can be had");
    // Longer than it takes to see it, and to probe.
    let path = format!("/block?ms={}", (args.seconds + 5) * 1000);
    let (_clients, mut admin) = asking.block_on(async {
        let mut clients = Vec::new();
        for _ in 0..WORKERS {
            let mut client = Client::connect(service.public).await.expect("it listens");
            client.send(&path).await.expect("it accepts");
            clients.push(client);
        }
        let mut admin = Client::connect(service.admin).await.expect("it listens");
        let until = Instant::now() + Duration::from_secs(4);
        while !is_stalled(&mut admin).await {
            assert!(Instant::now() < until, "its workers are not blocked");
            sleep(Duration::from_millis(10)).await;
        }
        (clients, admin)
    });
    let probed = args.probing(service.admin).run();
    assert!(asking.block_on(is_stalled(&mut admin)), "its workers are not blocked any more");
    args.rows("admin listener, every worker blocked", &probed, 5, Some(50))
}

async fn is_stalled(admin: &mut Client) -> bool {
    let answer = admin.get("/readyz").await.expect("the admin listener answers");
    answer.body.contains("[-]runtime failed: 2 of 2 workers stalled")
}

/// Four times what its pool has room for.
fn overload(args: &Args) -> bool {
    let service = Service::start();
    let rate = 4 * SLOTS as u32 * 100;
    let load = Load { address: service.public, path: "/pool?ms=10", rate };
    let (probed, offered) = load.during(|| args.probing(service.admin).run());
    let what = format!(
        "admin listener, public one offered {:.0}/s: {:.0} served, {:.0} shed",
        offered.sent, offered.served, offered.shed
    );
    args.rows(&what, &probed, 5, Some(50))
}

/// Four times what its workers have time for, if each has a core to itself.
fn layer(args: &Args) -> bool {
    let service = Service::start();
    let rate = 4 * WORKERS as u32 * 500;
    let load = Load { address: service.public, path: "/spin?ms=2", rate };
    let (probed, offered) = load.during(|| args.probing(service.public).run());
    let what = format!(
        "layer, handlers burn CPU, offered {:.0}/s: {:.0} served, {:.0} shed",
        offered.sent, offered.served, offered.shed
    );
    args.rows(&what, &probed, 50, None)
}

fn stall(args: &Args) -> bool {
    let steal = machine::Steal::now();
    let turns = stall::measure(args.stalls);
    let steal = steal.since().percent();
    let mut all_good = true;
    for (what, waits, most) in [
        ("stall: `/readyz` is 503, after its limit", &turns.unready, 150),
        ("stall: `/livez` is 503, after its own", &turns.dead, 150),
        ("over: `/readyz` is 200", &turns.back, 250),
    ] {
        let most = args.millis(most);
        let is_good = turns.early == 0 && waits.at(1.0) <= most;
        let early = if turns.early > 0 { format!(", {} of them early", turns.early) } else { String::new() };
        println!(
            "| {what} | {waits} | {} times{early} | – | {steal:.1} % | ≤ {most:?}, never early | {} |",
            Waits::count(waits),
            verdict(is_good)
        );
        all_good &= is_good;
    }
    all_good
}

fn verdict(is_good: bool) -> &'static str {
    if is_good { "as demanded" } else { "**not as demanded**" }
}
