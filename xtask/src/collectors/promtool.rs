//! What promtool says of the metrics, and of the rules in the tree.

use std::fs;
use std::io::Write;
use std::process::Stdio;

use super::table::Table;
use crate::Result;
use crate::line::Line;

/// Lints that are there for a reason: what they say, and why we do otherwise.
const EXPLAINED: &[(&str, &str)] = &[];

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
    let explained = |line: &&str| EXPLAINED.iter().any(|(lint, _)| line.contains(lint));
    let unexplained: Vec<_> = said.lines().filter(|line| !explained(line)).collect();
    table.row("`promtool check metrics` finds nothing wrong", unexplained.len(), 0, unexplained.is_empty());
    unexplained.into_iter().for_each(|line| table.note(line.to_owned()));

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
