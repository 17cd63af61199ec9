//! docs/defaults.md: every setting with its default and the reason, written from the table in the facade's code.

use crate::Result;
use crate::generated::Generated;
use crate::line::Line;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail where the file is not current
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result {
    generated()?.run(args.check)
}

/// The facade says it through an example, so that xtask builds without the facade, also while that does not.
pub(crate) fn generated() -> Result<Generated> {
    let page = Line::new("cargo run --quiet --package xtask --example settings-reference").output()?;
    Ok(Generated { chore: "cargo xtask defaults", files: vec![("docs/defaults.md".to_owned(), page)] })
}
