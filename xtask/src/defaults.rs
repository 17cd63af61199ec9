//! docs/defaults.md: every setting with its default and the reason, written from the table in the facade's code.

use std::fs;

use crate::Result;
use crate::line::Line;

const PATH: &str = "docs/defaults.md";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail where the file is not current
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result {
    if args.check { check() } else { write() }
}

fn write() -> Result {
    fs::write(PATH, generated()?).map_err(|error| format!("{PATH}: {error}"))?;
    println!("wrote {PATH}");
    Ok(())
}

/// Whether the file in the tree is the one that would be written now.
///
/// # Errors
/// Where it is not, with the first line that differs.
pub(crate) fn check() -> Result {
    let cure = "`cargo xtask defaults` writes it";
    let current = fs::read_to_string(PATH).map_err(|error| format!("{PATH}: {error}; cure: {cure}"))?;
    match first_difference(&current, &generated()?) {
        None => Ok(()),
        Some(line) => Err(format!("{PATH}:{line}: not what the table of settings says; cure: {cure}").into()),
    }
}

/// The facade says it through an example, so that xtask builds without the facade, also while that does not.
fn generated() -> Result<String> {
    Line::new("cargo run --quiet --package xtask --example settings-reference").output()
}

/// The first line, counted from 1, that is not the same in both.
fn first_difference(left: &str, right: &str) -> Option<usize> {
    if left == right {
        return None;
    }
    let same = left.split('\n').zip(right.split('\n')).take_while(|(left, right)| left == right).count();
    Some(same + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_difference_is_named_by_its_line() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
        assert_eq!(first_difference("a\nb", "a\nb\n"), Some(3));
    }
}
