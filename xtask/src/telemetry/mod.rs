//! docs/telemetry.md: every metric, and every field of spans and of the log, written from the lists in code.

mod page;
mod registry;

pub(crate) use self::registry::Registry;
use crate::Result;
use crate::generated::Generated;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail where the file is not current
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(args: &Args) -> Result {
    generated(&Registry::read()?).run(args.check)
}

pub(crate) fn generated(registry: &Registry) -> Generated {
    Generated {
        chore: "cargo xtask telemetry",
        files: vec![("docs/telemetry.md".to_owned(), page::of(registry))],
    }
}
