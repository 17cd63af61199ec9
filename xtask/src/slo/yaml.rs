//! Prometheus' file of rules: the little of YAML that it takes.

use std::fmt::Write;

use super::rules::{Group, Rule};

pub(super) fn of(groups: &[Group]) -> String {
    let mut yaml = String::from(HEAD);
    for Group { name, rules } in groups {
        let _ = write!(yaml, "\n  - name: {name}\n    rules:\n");
        for rule in rules {
            match rule {
                Rule::Record { name, query } => {
                    let _ = writeln!(yaml, "      - record: {name}");
                    expr(&mut yaml, query);
                }
                Rule::Alert { name, query, labels, summary, description } => {
                    let _ = writeln!(yaml, "      - alert: {name}");
                    expr(&mut yaml, query);
                    let _ = writeln!(yaml, "        labels:");
                    for (name, value) in labels {
                        let _ = writeln!(yaml, "          {name}: {}", quoted(value));
                    }
                    let _ = writeln!(yaml, "        annotations:");
                    let _ = writeln!(yaml, "          summary: {}", quoted(summary));
                    let _ = writeln!(yaml, "          description: {}", quoted(description));
                }
            }
        }
    }
    yaml
}

fn expr(yaml: &mut String, query: &str) {
    let _ = writeln!(yaml, "        expr: |-");
    for line in query.lines() {
        let _ = writeln!(yaml, "          {line}");
    }
}

/// What JSON quotes, YAML reads.
fn quoted(text: &str) -> serde_json::Value {
    text.into()
}

const HEAD: &str = "\
# Written by `cargo xtask slo` from the list of metrics in code: recording rules, and alerts on how fast an error budget burns.
groups:";
