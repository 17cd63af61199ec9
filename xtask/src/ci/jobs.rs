//! The list of jobs: to add one is to add an entry.

use std::{
    fs,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use super::{Args, hello, slow_clients};
use crate::line::Line;
use crate::workspace::Workspace;
use crate::{Result, collectors, crowd, health, probes, restart, status_page, target, tidy};

pub(super) struct Job {
    pub(super) name: &'static str,
    /// What is known when it has passed.
    pub(super) shows: &'static str,
    pub(super) run: fn(&Args) -> Result,
}

/// In the order in which they run: what fails most often and costs least stands first.
pub(super) const JOBS: &[Job] = &[
    Job {
        name: "test",
        shows: "everything that is promised holds, by the README's own command",
        run: |_| Line::new("cargo test --workspace").run(),
    },
    Job {
        name: "tls",
        shows: "what is promised of TLS, which a build has only where somebody asks for it",
        run: |_| {
            let test = Line::new("cargo test --package macadam --package macadam-serve");
            test.word("--features").word("macadam/tls,macadam-serve/tls").run()
        },
    },
    Job {
        name: "faults",
        shows: "each part of the drain is there for something: a test fails without it",
        run: |_| {
            let test = Line::new("cargo test --package macadam-serve --features fault-injection --test wire");
            test.word("faults").run()
        },
    },
    Job {
        name: "fmt",
        shows: "the code looks like one person's",
        run: |_| Line::new("cargo fmt --all --check").run(),
    },
    Job { name: "tidy", shows: "the invariants that the compiler cannot see", run: |_| tidy::run() },
    Job {
        name: "clippy",
        shows: "no lint is broken, in tests and examples neither",
        run: |_| Line::new("cargo clippy --workspace --all-targets --all-features -- -D warnings").run(),
    },
    Job {
        name: "docs",
        shows: "the docs build and no link in them is broken",
        run: |_| {
            let docs = Line::new("cargo doc --workspace --no-deps --all-features");
            docs.env("RUSTDOCFLAGS", "-D warnings").run()
        },
    },
    Job { name: "alone", shows: "each published crate builds alone, with each of its features", run: alone },
    Job {
        name: "deny",
        shows: "one version of what must be one, licences that fit, the registry as the only source",
        run: |_| Line::new("cargo deny check bans licenses sources").run(),
    },
    Job { name: "loom", shows: "our atomics are right under every interleaving", run: loom },
    Job {
        name: "counted",
        shows: "the hot paths cost no more instructions than they may",
        run: |_| {
            // A package of every Linux, and of none of Rust's tools.
            if Line::new("valgrind --version").run().is_err() {
                Line::new("apt-get update").run()?;
                Line::new("apt-get install --yes --no-install-recommends valgrind libc6-dbg").run()?;
            }
            Line::new("cargo run --release --package macadam-counted").run()
        },
    },
    Job {
        name: "package",
        shows: "each published crate can be packaged, and its archive builds",
        run: package,
    },
    Job {
        name: "hello",
        shows: "the smallest service starts, answers, says that it is ready, and stops",
        run: |_| hello::run(),
    },
    Job {
        name: "slow",
        shows: "slowhttptest's four attacks leave a healthy client served, and nothing behind",
        run: |_| slow_clients::run(),
    },
    Job {
        name: "crowd",
        shows: "2,000 connections that do nothing are gone at their time, and harm nobody",
        run: |_| crowd::run_short(),
    },
    Job {
        name: "health",
        shows: "probes say exactly when Postgres and Redis are gone, and when they are back",
        run: |_| health::run(),
    },
    Job {
        name: "probes",
        shows: "probes are answered, and tell the truth, while every worker is blocked and in an overload",
        run: |_| probes::run_short(),
    },
    Job {
        name: "page",
        shows: "a browser shows on the status page within 2 s what goes wrong, and all of it without scripts",
        run: |_| status_page::run_short(),
    },
    Job {
        name: "telemetry",
        shows: "Prometheus and an OpenTelemetry collector understand all that is told, by the conventions, and nothing is lost",
        run: |_| collectors::run_short(),
    },
    Job {
        name: "restart",
        shows: "a few restarts under load, alone and behind HAProxy and nginx, fail no request",
        run: |_| restart::run_short(),
    },
];

/// A build of the workspace unifies features, so that a crate may lean on one that another switched on.
///
/// Without tests cargo leaves dev-dependencies out of that by itself (resolver 3), which is why this needs no
/// `--no-dev-deps`: that one, and `--no-private`, rewrite the manifests while they run. Clippy and not check, since
/// `-D warnings` as its argument reaches our crates alone; in RUSTFLAGS it would rebuild every dependency.
fn alone(_: &Args) -> Result {
    Line::new("cargo hack clippy --workspace --ignore-private --each-feature -- -D warnings").run()
}

/// A folder of its own under the target: other RUSTFLAGS would throw out what the other jobs have built.
fn loom(_: &Args) -> Result {
    let target = target().join("loom");
    Line::new("cargo test --release -p macadam-core -p macadam-load-shed -p macadam-telemetry --test loom")
        .word("--target-dir")
        .word(target.to_string_lossy())
        .env("RUSTFLAGS", "--cfg macadam_loom")
        .run()
}

/// Each is also built from its archive, since a file left out of that is missed nowhere else.
///
/// In a folder that is new each time: Cargo unpacks the archives of a build into its own home under a name made of that
/// folder's path, and what is there from an earlier build of the same version it takes for this one's.
fn package(args: &Args) -> Result {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let target = target().join(format!("packages-{}", now.as_millis()));
    let mut line = Line::new("cargo package --target-dir").word(target.to_string_lossy());
    for member in Workspace::read(Path::new("."))?.published() {
        line = line.word("--package").word(member.name());
    }
    if args.allow_dirty {
        line = line.word("--allow-dirty");
    }
    let packaged = line.run();
    // It is of no use to anybody; if it stays, it is in nobody's way either.
    let _ = fs::remove_dir_all(target);
    packaged
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_two_jobs_have_one_name() {
        let names: BTreeSet<_> = JOBS.iter().map(|job| job.name).collect();
        assert_eq!(names.len(), JOBS.len());
    }
}
