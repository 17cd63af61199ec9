//! docs/load-shed: the tables and figures of the tournament, and the simulator's table.

use crate::Result;
use crate::line::Line;
use crate::page::Page;

const FOLDER: &str = "docs/load-shed";
const PAGE: Page = Page { path: "docs/load-shed/README.md", chore: "cargo xtask tournament" };

#[derive(clap::Args)]
pub(crate) struct Args {
    /// One seed, and no more points than the tables have: five minutes instead of twenty
    #[arg(long)]
    quick: bool,

    /// How often each scenario is run, each time with other arrivals; three times unless set
    #[arg(long, value_name = "N")]
    seeds: Option<u32>,

    /// Leave out the simulator's table
    #[arg(long)]
    no_simulator: bool,
}

/// Runs the tournament and the simulator, both in release, and writes what they say into the page.
///
/// # Errors
/// Where one of them does not build or run, or the page has no place for what they say.
pub(crate) fn run(args: &Args) -> Result {
    // The tournament starts it as a process of its own, from where its own binary is.
    Line::new("cargo build --release --package torture").run()?;
    let mut tournament =
        Line::new("cargo run --release --package macadam-tournament -- --figures").word(FOLDER);
    if args.quick {
        tournament = tournament.word("--quick");
    }
    if let Some(seeds) = args.seeds {
        tournament = tournament.word("--seeds").word(seeds.to_string());
    }
    write("tournament", &tournament)?;
    if !args.no_simulator {
        write("simulator", &Line::new("cargo run --release --package macadam-simulator"))?;
    }
    Ok(())
}

fn write(part: &str, line: &Line) -> Result {
    println!("$ {line}");
    PAGE.write(part, &line.output()?)
}
