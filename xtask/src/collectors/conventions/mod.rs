//! OpenTelemetry's conventions for HTTP servers and for processes, row by row, held to what a collector has decoded.
//!
//! They are those of version 1.44 of the conventions. What the wire does not show is shown by tests of `macadam-telemetry`: which
//! attributes a span has already when it begins, and what is done with every form of a caller's header.

mod logs;
mod metrics;
mod process;
mod spans;

use std::collections::BTreeMap;

use super::decoded::{Attributes, Decoded, Span};
use super::load::Sent;
use super::table::Table;
use crate::telemetry::Registry;

/// What was sent, with the span that was told of it.
type Spans<'a> = BTreeMap<u64, (&'a Sent, &'a Span)>;

pub(super) fn check(table: &mut Table, decoded: &Decoded, sent: &[Sent], registry: &Registry) {
    let spans = spans::of(table, decoded, sent);
    spans::check(table, &spans);
    metrics::check(table, decoded, sent, &spans, registry);
    process::check(table, decoded);
    logs::check(table, decoded, sent, &spans);
}

/// As a collector prints a text.
fn text(text: impl std::fmt::Display) -> String {
    format!("Str({text})")
}

fn int(number: impl std::fmt::Display) -> String {
    format!("Int({number})")
}

/// Whether an attribute is this, or is not there where it should not be.
fn is(attributes: &Attributes, name: &str, expected: Option<String>) -> bool {
    let said = attributes.get(name);
    expected.map_or(said.is_none(), |expected| said == Some(&expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_service_that_tells_nothing_no_claim_holds() {
        let mut table = Table::default();
        check(&mut table, &Decoded::default(), &Sent::all(), &Registry::now());
        let claims = table.to_string();
        let holding: Vec<_> = claims.lines().filter(|row| row.ends_with("| ok |")).collect();
        assert_eq!(holding, ["| all other spans | 0 | 0 | ok |"], "{claims}");
    }
}
