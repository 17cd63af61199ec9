//! Versions in READMEs and docs are the ones that we build with.
//!
//! A document says `axum = "0.8"` and stays behind when the workspace moves. What it says has to be a leading part
//! of the version in the manifests: `0.8` and `0.8.4` agree with 0.8.4, and `0.7` does not.

use std::collections::BTreeMap;

use toml::Value;

use super::finding::Finding;
use crate::workspace::Workspace;

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let versions = versions(workspace);
    let mut findings = Vec::new();
    for (path, text) in workspace.files() {
        for (index, line) in text.lines().enumerate() {
            let Some(line) = prose(path, line) else { continue };
            for (name, said) in requirements(line) {
                let Some(&built) = versions.get(name) else { continue };
                if !leads(said, built) {
                    let problem = format!("it says {name} {said}, and we build with {built}");
                    let cure = format!("`{name} = \"{}\"`", short(built));
                    findings.push(Finding::new(path, problem, cure).line(index + 1));
                }
            }
        }
    }
    findings
}

/// What is built: the table of the workspace, and over it our own crates.
fn versions(workspace: &Workspace) -> BTreeMap<&str, &str> {
    let shared = workspace.table("dependencies").into_iter().flatten().filter_map(|(name, spec)| {
        let version = spec.as_str().or_else(|| spec.get("version").and_then(Value::as_str))?;
        Some((name.as_str(), version.trim_start_matches(OPERATORS)))
    });
    shared.chain(workspace.published().map(|member| (member.name(), member.version()))).collect()
}

/// The part of a line that somebody reads: all of it in a Markdown file, doc comments in a Rust file.
fn prose<'a>(path: &str, line: &'a str) -> Option<&'a str> {
    // What these say was true on the day that it was written.
    let history = path.ends_with("CHANGELOG.md") || path.starts_with("docs/adr/");
    if path.ends_with(".md") && !history {
        return Some(line);
    }
    let line = line.trim_start();
    path.ends_with(".rs").then(|| line.strip_prefix("//!").or_else(|| line.strip_prefix("///"))).flatten()
}

const OPERATORS: [char; 4] = ['^', '~', '=', ' '];

/// Each `name = "1.2"` and `name = { .., version = "1.2" }` in a line, as the name and the bare version.
fn requirements(line: &str) -> impl Iterator<Item = (&str, &str)> {
    line.match_indices('=').filter_map(|(at, _)| {
        let before = line[..at].trim_end();
        let name =
            &before[before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || "-_".contains(c)).len()..];
        let after = line[at + 1..].trim_start();
        let text = match after.strip_prefix('{') {
            Some(table) => {
                table.split('}').next()?.split_once("version")?.1.trim_start().strip_prefix('=')?
            }
            None => after,
        };
        let version = text.trim_start().strip_prefix('"')?.split('"').next()?.trim_start_matches(OPERATORS);
        version.starts_with(|c: char| c.is_ascii_digit()).then_some((name, version))
    })
}

/// Whether the numbers of `said` are the first of `built`.
fn leads(said: &str, built: &str) -> bool {
    let mut built = built.split('.');
    said.split('.').all(|number| built.next() == Some(number))
}

/// As much of a version as a requirement needs: `1`, `0.8`.
fn short(version: &str) -> &str {
    let numbers = if version.starts_with("0.") { 2 } else { 1 };
    version.match_indices('.').nth(numbers - 1).map_or(version, |(at, _)| &version[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "
        [workspace]
        members = ['crates/*']
        [workspace.dependencies]
        axum = { version = '0.8', default-features = false }
        tokio = '^1.53'";

    fn findings(path: &str, text: &str) -> Vec<String> {
        let manifest = "package = { name = 'macadam-timeouts', version = '0.1.4' }";
        let files = [("Cargo.toml", ROOT), ("crates/timeouts/Cargo.toml", manifest), (path, text)];
        check(&Workspace::of(files)).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn what_agrees_passes() {
        for text in [
            "macadam-timeouts = \"0.1\"",
            "macadam-timeouts = \"0.1.4\"  # with a comment",
            "axum = { version = \"0.8\", features = [\"ws\"] }",
            "add `tokio = \"1\"` to your manifest",
            "listen = \"127.0.0.1:8080\"",
            "somebody-else = \"9\"",
            "axum = \"the framework\"",
        ] {
            assert_eq!(findings("README.md", text), [""; 0], "{text}");
        }
    }

    #[test]
    fn what_is_behind_or_ahead_is_found_with_its_line() {
        for text in [
            "\nmacadam-timeouts = \"0.2\"",
            "\naxum = \"0.7\"",
            "\nadd `axum = { features = [\"ws\"], version = \"=0.7.9\" }`",
            "\ntokio=\"1.54\"",
        ] {
            let found = findings("README.md", text);
            assert_eq!(found.len(), 1, "{text}");
            assert!(found[0].starts_with("README.md:2: it says "), "{found:?}");
        }
    }

    #[test]
    fn doc_comments_are_read_and_code_is_not() {
        assert_eq!(findings("crates/timeouts/src/lib.rs", "//! axum = \"0.7\"").len(), 1);
        assert_eq!(findings("crates/timeouts/src/lib.rs", "    /// axum = \"0.7\"").len(), 1);
        assert_eq!(findings("crates/timeouts/src/lib.rs", "let axum = \"0.7\";").len(), 0);
    }

    #[test]
    fn history_may_say_what_was_true_then() {
        assert_eq!(findings("CHANGELOG.md", "axum = \"0.7\"").len(), 0);
        assert_eq!(findings("docs/adr/0001.md", "axum = \"0.7\"").len(), 0);
    }

    #[test]
    fn the_cure_is_the_shortest_requirement() {
        assert!(findings("README.md", "tokio = \"2\"")[0].ends_with("cure: `tokio = \"1\"`"));
        assert!(findings("README.md", "axum = \"0.7\"")[0].ends_with("cure: `axum = \"0.8\"`"));
    }
}
