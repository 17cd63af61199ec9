//! The text that Kubernetes' own servers answer with.
//!
//! The form is that of `k8s.io/apiserver/pkg/server/healthz`, to the byte, but for two additions: a check that
//! degrades, and the line that a single check answers with.

use std::fmt::Write;

use super::told::Told;
use crate::{class::Status, health::Line, reason::printable};

pub(crate) fn write(told: &Told<'_>, verbose: bool, details: bool) -> String {
    let passes = told.status() != Status::Fail;
    if passes && (told.single || !verbose) {
        return "ok".into();
    }
    let mut document = String::with_capacity(256);
    for (line, excluded) in &told.lines {
        if *excluded {
            let _ = writeln!(document, "[+]{} excluded: ok", line.name);
        } else {
            write_line(&mut document, line, details);
        }
    }
    warn_of(&told.unknown, &mut document);
    if !told.single {
        let _ =
            writeln!(document, "{} check {}", told.probe.as_str(), if passes { "passed" } else { "failed" });
    }
    document
}

fn write_line(document: &mut String, Line { name, critical, finding }: &Line<'_>, details: bool) {
    let _ = match finding {
        Ok(()) => writeln!(document, "[+]{name} ok"),
        Err(reason) => {
            let (mark, state) = if *critical { ('-', "failed") } else { ('+', "degraded") };
            let reason = if details { reason } else { "reason withheld" };
            writeln!(document, "[{mark}]{name} {state}: {reason}")
        }
    };
}

fn warn_of(unknown: &[&str], document: &mut String) {
    if unknown.is_empty() {
        return;
    }
    document.push_str("warn: some health checks cannot be excluded: no matches for ");
    for (index, name) in unknown.iter().take(NAMES_ECHOED).enumerate() {
        document.push_str(if index == 0 { "\"" } else { ",\"" });
        for character in name.chars().take(CHARACTERS_ECHOED).map(printable) {
            if matches!(character, '"' | '\\') {
                document.push('\\');
            }
            document.push(character);
        }
        document.push('"');
    }
    document.push('\n');
}

const NAMES_ECHOED: usize = 8;
const CHARACTERS_ECHOED: usize = 63;
