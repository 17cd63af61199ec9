//! Prints the table of all laws as Markdown; with `--hour`, how their limits moved in an hour instead.

use std::{
    env,
    io::{self, Write as _},
};

use macadam_simulator::{Law, table};

fn main() -> io::Result<()> {
    let mut markdown = String::new();
    let written = if env::args().any(|argument| argument == "--hour") {
        let gates: Vec<Law> = Law::ALL.into_iter().filter(|law| *law != Law::Open).collect();
        table::write_hour(&mut markdown, &gates)
    } else {
        table::write(&mut markdown, &Law::ALL, SEEDS)
    };
    written.expect("a string takes everything");
    io::stdout().write_all(markdown.as_bytes())
}

const SEEDS: u64 = 5;
