//! Restarts under load, and what clients that never retry lose by them.

use std::env;
use std::process::{Command, Stdio};

use crate::line::Line;
use crate::page::Page;
use crate::{Result, debian};

const PAGE: Page = Page { path: "docs/restarts.md", chore: "cargo xtask e2e-restart" };
const PARTS: [&str; 5] = ["overlapped", "behind", "race", "anew", "prompt"];
/// Those of Debian have the names of what they install.
const PROXIES: [&str; 2] = ["haproxy", "nginx"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Restarts in each row; 60 of those that overlap, and 100 of the others, unless set
    #[arg(long, value_name = "N")]
    restarts: Option<u32>,

    /// Only this part; may be repeated
    #[arg(long, value_name = "PART", value_parser = PARTS)]
    only: Vec<String>,

    /// What CI does: a few restarts and requests, in a minute; nothing is written
    #[arg(long)]
    quick: bool,
}

/// Measures each part in release, and writes its table into the page, also where it is not as demanded.
///
/// # Errors
/// Where something does not build or run, or is not as demanded; the table says what.
pub(crate) fn run(args: &Args) -> Result {
    let is_asked = |part: &&str| args.only.is_empty() || args.only.iter().any(|only| only == part);
    let parts: Vec<_> = PARTS.into_iter().filter(is_asked).collect();
    if parts.contains(&"behind") {
        install_proxies()?;
    }
    let profile = if args.quick { "--quiet" } else { "--release" };
    // It is started as a process of its own, from where the harness' own binary is.
    Line::new("cargo build --package torture").word(profile).run()?;
    let mut missed = Vec::new();
    for part in parts {
        let mut line = Line::new("cargo run --package macadam-restart").word(profile).word("--");
        line = line.word("part").word(part);
        if args.quick {
            line = QUICK.split_whitespace().fold(line, Line::word);
        }
        if let Some(restarts) = args.restarts.or(args.quick.then_some(3)) {
            line = line.word("--restarts").word(restarts.to_string());
        }
        println!("$ {line}");
        let output = line.command().stderr(Stdio::inherit()).output()?;
        let table = String::from_utf8(output.stdout)?;
        println!("{table}");
        if !args.quick {
            PAGE.write(part, &table)?;
        }
        if !output.status.success() {
            missed.push(part);
        }
    }
    if missed.is_empty() { Ok(()) } else { Err(format!("not as demanded: {}", missed.join(", ")).into()) }
}

/// What CI does, whose machines are busy: what is refused there is refused with good reason.
pub(crate) fn run_short() -> Result {
    run(&Args { restarts: None, only: Vec::new(), quick: true })
}

const QUICK: &str = "--quick --rate 300 --connections 50 --max-lag 250 --no-shedding";

/// HAProxy and nginx from Debian, where one is missing.
fn install_proxies() -> Result {
    let missing: Vec<_> = PROXIES.into_iter().filter(|proxy| !is_there(proxy)).collect();
    debian::install(&missing)
}

fn is_there(proxy: &str) -> bool {
    // Where Debian has them, which is not on everybody's path.
    let path = format!("{}:/usr/sbin", env::var("PATH").unwrap_or_default());
    let mut command = Command::new(proxy);
    command.arg("-v").env("PATH", path).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}
