//! What promtool says of the metrics, and of the rules in the tree.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use super::table::Table;
use crate::Result;
use crate::line::Line;

/// Of the older form, the only one that it reads; Prometheus itself has read the other.
pub(super) fn check(table: &mut Table, metrics: &str) -> Result {
    let mut promtool = Line::new("promtool check metrics")
        .command()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    // It reads all before it writes anything.
    promtool.stdin.take().ok_or("it has a stdin")?.write_all(metrics.as_bytes())?;
    let output = promtool.wait_with_output()?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    table.row(
        "`promtool check metrics` finds nothing wrong",
        said.lines().count(),
        "0 lines",
        said.is_empty(),
    );
    if !said.is_empty() {
        table.note(said);
    }

    passes(table, "`promtool check rules slo/rules.yml`", &Line::new("promtool check rules slo/rules.yml"))?;
    let mut tests = Line::new("promtool test rules");
    for entry in fs::read_dir("slo/tests")? {
        tests = tests.word(entry?.path().to_string_lossy());
    }
    passes(table, "`promtool test rules slo/tests/*.yml`", &tests)
}

fn passes(table: &mut Table, claim: &str, line: &Line) -> Result {
    let output = line.command().output()?;
    table.row(claim, output.status, "exit status: 0", output.status.success());
    if !output.status.success() {
        table.note(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
    }
    Ok(())
}
