//! A module is named for its one idea: what has no better name than `utils` lives in the wrong place.

use super::finding::Finding;
use crate::workspace::Workspace;

const NAMES: [&str; 9] =
    ["common", "helper", "helpers", "misc", "prelude", "types", "util", "utilities", "utils"];

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let members = workspace.members().iter();
    let paths = members.flat_map(|member| workspace.sources(member)).map(|(path, _)| path);
    paths.filter_map(|path| catch_all(path).map(|name| finding(path, name))).collect()
}

fn finding(path: &str, name: &str) -> Finding {
    let problem = format!("`{name}` says nothing about what is in it");
    Finding::new(path, problem, "move each thing to the module that it is about, or name the idea")
}

/// The part of a path below `src/` that is such a name.
fn catch_all(path: &str) -> Option<&str> {
    let (_, below) = path.split_once("/src/")?;
    below.split('/').map(|part| part.strip_suffix(".rs").unwrap_or(part)).find(|part| NAMES.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_one_idea_pass() {
        for path in
            ["crates/core/src/lib.rs", "crates/core/src/context/mod.rs", "crates/core/tests/common.rs"]
        {
            assert_eq!(catch_all(path), None, "{path}");
        }
    }

    #[test]
    fn files_and_folders_named_for_nothing_are_found() {
        assert_eq!(catch_all("crates/core/src/utils.rs"), Some("utils"));
        assert_eq!(catch_all("crates/core/src/deep/helpers.rs"), Some("helpers"));
        assert_eq!(catch_all("examples/hello/src/common/mod.rs"), Some("common"));
        let workspace = Workspace::of([
            ("Cargo.toml", "workspace.members = ['crates/*']"),
            ("crates/core/Cargo.toml", "package.name = 'macadam-core'"),
            ("crates/core/src/prelude.rs", ""),
        ]);
        assert_eq!(check(&workspace).len(), 1);
    }
}
