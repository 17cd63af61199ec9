//! docs/load-shed: the tables and figures of the tournament, and the simulator's table.

use std::fs;

use crate::Result;
use crate::line::Line;

const FOLDER: &str = "docs/load-shed";
const PAGE: &str = "docs/load-shed/README.md";

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
    let printed = line.output()?;
    let page = fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"))?;
    let page = spliced(&page, part, &printed).ok_or_else(|| {
        let (begin, end) = markers(part);
        format!("{PAGE}: there is no `{begin}` with a `{end}` after it")
    })?;
    fs::write(PAGE, page).map_err(|error| format!("{PAGE}: {error}"))?;
    println!("wrote {PAGE}, {part}");
    Ok(())
}

/// The page with `text` between the markers of its part, or nothing if it has no such part.
fn spliced(page: &str, part: &str, text: &str) -> Option<String> {
    let (begin, end) = markers(part);
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n\n{}\n\n{end}{after}", text.trim()))
}

fn markers(part: &str) -> (String, String) {
    (
        format!("<!-- {part}: written by `cargo xtask tournament` from here -->"),
        format!("<!-- {part}: to here -->"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_between_the_markers_is_replaced_and_nothing_else_is() {
        let (begin, end) = markers("simulator");
        let page = format!("above\n{begin}\nold\n{end}\nbelow\n");
        let written = spliced(&page, "simulator", "| new |\n").unwrap();
        assert_eq!(written, format!("above\n{begin}\n\n| new |\n\n{end}\nbelow\n"));
        assert_eq!(spliced(&written, "simulator", "| new |\n"), Some(written), "and again the same");
    }

    #[test]
    fn a_page_without_the_markers_is_not_written() {
        let (begin, end) = markers("simulator");
        assert_eq!(spliced(&begin, "simulator", "new"), None);
        assert_eq!(spliced(&format!("{begin}{end}"), "tournament", "new"), None);
    }
}
