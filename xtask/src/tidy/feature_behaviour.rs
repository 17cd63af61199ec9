//! Invariant 5: a feature adds API; it never changes behaviour.
//!
//! Features are unified over a build: whatever one changed, somebody else's dependency would have changed for us.
//! Two forms can only choose between behaviours, and are refused: a value that is true without a feature
//! (`cfg!`), and code that is there only without one (`not`).

use super::finding::Finding;
use crate::workspace::Workspace;

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let sources = workspace.published().flat_map(|member| workspace.sources(member));
    sources.flat_map(|(path, text)| switches(text).into_iter().map(move |line| finding(path, line))).collect()
}

fn finding(path: &str, line: usize) -> Finding {
    let problem = "behaviour depends on a feature, which any crate in the build may switch on";
    Finding::new(path, problem, "add API under the feature, and make what it switches a setting").line(line)
}

/// The lines where a `cfg` chooses by a feature.
fn switches(source: &str) -> Vec<usize> {
    let Squeezed { text, lines } = Squeezed::new(source);
    let mut found = Vec::new();
    for (call, refused) in [
        ("cfg!(", names_a_feature as fn(&str) -> bool),
        ("cfg(", negates_a_feature),
        ("cfg_attr(", negates_a_feature),
    ] {
        for (at, _) in text.match_indices(call) {
            if refused(argument(&text[at + call.len()..])) {
                found.push(lines[at]);
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn names_a_feature(predicate: &str) -> bool {
    predicate.contains("feature=")
}

fn negates_a_feature(predicate: &str) -> bool {
    predicate.match_indices("not(").any(|(at, not)| names_a_feature(argument(&predicate[at + not.len()..])))
}

/// What stands before the parenthesis that closes `text`.
fn argument(text: &str) -> &str {
    let mut depth = 1;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return &text[..at];
        }
    }
    text
}

/// A source without white space and without lines that are comments, so that an attribute over several lines
/// reads like one on a single line.
struct Squeezed {
    text: String,
    /// The line of each byte of `text`.
    lines: Vec<usize>,
}

impl Squeezed {
    fn new(source: &str) -> Self {
        let (mut text, mut lines) = (String::new(), Vec::new());
        for (index, line) in source.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            text.extend(line.chars().filter(|char| !char.is_whitespace()));
            lines.resize(text.len(), index + 1);
        }
        Self { text, lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_under_a_feature_is_allowed() {
        let source = "
            // cfg!(feature = \"axum\") in a comment is prose
            #![cfg_attr(docsrs, feature(doc_cfg))]
            #[cfg(feature = \"axum\")]
            mod extract;
            #[cfg(not(macadam_loom))]
            use std::sync::Arc;
            #[cfg(all(feature = \"axum\", not(test)))]
            pub use extract::Deadline;";
        assert_eq!(switches(source), [0; 0]);
    }

    #[test]
    fn a_choice_by_feature_is_found_in_every_form() {
        for source in [
            "if cfg!(feature = \"fast\") { 1 } else { 2 }",
            "if cfg!( all(unix, feature=\"fast\") ) {}",
            "#[cfg(not(feature = \"fast\"))] fn slow() {}",
            "#[cfg(all(unix, not(any(feature = \"a\", feature = \"b\"))))] fn slow() {}",
            "#[cfg(\n    not(feature = \"fast\"),\n)] fn slow() {}",
            "#[cfg_attr(not(feature = \"fast\"), derive(Debug))] struct Slow;",
        ] {
            assert_eq!(switches(source), [1], "{source}");
        }
    }

    #[test]
    fn only_what_is_published_is_held_to_it() {
        let source = "fn fast() -> bool { cfg!(feature = \"fast\") }";
        let workspace = Workspace::of([
            ("Cargo.toml", "workspace.members = ['crates/*']"),
            ("crates/sold/Cargo.toml", "package.name = 'sold'"),
            ("crates/sold/src/lib.rs", source),
            ("crates/sold/tests/all.rs", source),
            ("crates/kept/Cargo.toml", "package = { name = 'kept', publish = false }"),
            ("crates/kept/src/lib.rs", source),
        ]);
        let found: Vec<_> = check(&workspace).iter().map(Finding::to_string).collect();
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("crates/sold/src/lib.rs:1: "));
    }
}
