//! Every published crate has what the registry shows of it: a README and one sentence.

use super::finding::Finding;
use crate::workspace::{Member, Workspace};

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace.published().flat_map(|member| missing(workspace, member)).collect()
}

fn missing(workspace: &Workspace, member: &Member) -> impl Iterator<Item = Finding> {
    let name = member.name();
    let filled = |text: Option<&str>| text.is_some_and(|text| !text.trim().is_empty());
    let readme = format!("{}/README.md", member.folder());
    let description = member.table("package").and_then(|package| package.get("description")?.as_str());

    let no_readme = (!filled(workspace.file(&readme))).then(|| {
        Finding::new(&*readme, format!("{name} has no README"), "say in it what the crate does, and what not")
    });
    let no_description = (!filled(description)).then(|| {
        let problem = format!("{name} has no description");
        Finding::new(member.manifest_path(), problem, "`description = \"..\"`, one sentence")
    });
    no_readme.into_iter().chain(no_description)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(manifest: &str, readme: &str) -> usize {
        let root = "workspace.members = ['crates/*']";
        let files = [("Cargo.toml", root), ("crates/a/Cargo.toml", manifest), ("crates/a/README.md", readme)];
        check(&Workspace::of(files)).len()
    }

    #[test]
    fn a_crate_with_both_passes() {
        assert_eq!(findings("package = { name = 'a', description = 'One thing.' }", "# a"), 0);
    }

    #[test]
    fn each_that_is_missing_or_empty_is_found() {
        assert_eq!(findings("package = { name = 'a', description = 'One thing.' }", " "), 1);
        assert_eq!(findings("package = { name = 'a' }", "# a"), 1);
        let root = "workspace.members = ['crates/*']";
        let bare = Workspace::of([("Cargo.toml", root), ("crates/a/Cargo.toml", "package.name = 'a'")]);
        assert_eq!(check(&bare).len(), 2);
    }

    #[test]
    fn an_unpublished_crate_needs_neither() {
        assert_eq!(findings("package = { name = 'a', publish = false }", ""), 0);
    }
}
