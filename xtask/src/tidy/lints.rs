//! Invariant 6: unsafe code is forbidden, and every member inherits that with the other lints.

use toml::Value;

use super::finding::Finding;
use crate::workspace::{Member, Workspace};

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let members = workspace.members().iter().filter_map(inherits);
    forbids_unsafe(workspace).into_iter().chain(members).chain(overrides(workspace)).collect()
}

fn forbids_unsafe(workspace: &Workspace) -> Option<Finding> {
    let level = workspace.table("lints").and_then(|lints| lints.get("rust")?.get("unsafe_code"));
    let level = level.and_then(|level| level.as_str().or_else(|| level.get("level")?.as_str()));
    let problem = "the workspace does not forbid unsafe code";
    (level != Some("forbid"))
        .then(|| Finding::new("Cargo.toml", problem, "`unsafe_code = \"forbid\"` in [workspace.lints.rust]"))
}

fn inherits(member: &Member) -> Option<Finding> {
    let inherited = member.table("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
    let problem = format!("{} does not inherit the workspace's lints", member.name());
    (inherited != Some(true))
        .then(|| Finding::new(member.manifest_path(), problem, "`[lints]` with `workspace = true`"))
}

/// The compiler refuses these too, but only where it compiles them: not in a file behind a `cfg`.
fn overrides(workspace: &Workspace) -> impl Iterator<Item = Finding> {
    workspace.files().filter(|(path, _)| path.ends_with(".rs")).flat_map(|(path, text)| {
        let lines = text.lines().enumerate().filter(|(_, line)| is_override(line));
        lines.map(move |(index, _)| {
            let problem = "an attribute takes back that unsafe code is forbidden";
            Finding::new(path, problem, "use a crate whose job it is, such as rustix").line(index + 1)
        })
    })
}

fn is_override(line: &str) -> bool {
    let line = line.trim_start();
    let level = |level| line.contains(&format!("{level}(unsafe_code"));
    (line.starts_with("#[") || line.starts_with("#![")) && ["allow", "warn", "expect"].into_iter().any(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "workspace = { members = ['crates/*'], lints.rust.unsafe_code = 'forbid' }";
    const MEMBER: &str = "package.name = 'a'\n lints.workspace = true";

    fn findings(root: &str, member: &str, source: &str) -> usize {
        let files = [("Cargo.toml", root), ("crates/a/Cargo.toml", member), ("crates/a/src/lib.rs", source)];
        check(&Workspace::of(files)).len()
    }

    #[test]
    fn a_workspace_that_forbids_and_members_that_inherit_pass() {
        assert_eq!(findings(ROOT, MEMBER, "#![forbid(unsafe_code)]"), 0);
        let table = "workspace = { members = ['crates/*'], lints.rust.unsafe_code = { level = 'forbid' } }";
        assert_eq!(findings(table, MEMBER, ""), 0);
    }

    #[test]
    fn a_weaker_level_is_found() {
        assert_eq!(findings("workspace.members = ['crates/*']", MEMBER, ""), 1);
        let denied = "workspace = { members = ['crates/*'], lints.rust.unsafe_code = 'deny' }";
        assert_eq!(findings(denied, MEMBER, ""), 1);
    }

    #[test]
    fn a_member_of_its_own_mind_is_found() {
        assert_eq!(findings(ROOT, "package.name = 'a'", ""), 1);
        assert_eq!(findings(ROOT, "package.name = 'a'\n lints.rust.unsafe_code = 'allow'", ""), 1);
    }

    #[test]
    fn an_override_in_the_source_is_found() {
        assert_eq!(findings(ROOT, MEMBER, "#![allow(unsafe_code)]"), 1);
        assert_eq!(findings(ROOT, MEMBER, "mod a {\n    #[expect(unsafe_code, reason = \"fast\")]\n}"), 1);
    }
}
