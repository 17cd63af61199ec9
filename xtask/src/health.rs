//! Postgres and Redis that fail, and what the probes of a service say of it.

use std::fs;

use crate::line::Line;
use crate::{Result, debian};

/// Takes both servers from a service in five ways, and prints a table: half a minute.
///
/// # Errors
/// Where something does not build or run, or is not as demanded; the table says what.
pub(crate) fn run() -> Result {
    let mut missing = Vec::new();
    if !has_postgres() {
        missing.push("postgresql");
    }
    if !debian::has("redis-server") {
        missing.push("redis-server");
    }
    debian::install(&missing)?;
    Line::new("cargo run --package macadam-outage").run()
}

/// Debian has its programs in folders named after their versions, which are on nobody's path.
fn has_postgres() -> bool {
    let mut versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.any(|version| version.path().join("bin/initdb").exists()) || debian::has("initdb")
}
