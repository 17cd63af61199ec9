//! Every version stands once, in `[workspace.dependencies]`: that table is the quarter's set.

use super::finding::Finding;
use crate::workspace::Workspace;

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in workspace.members() {
        for dependency in member.dependencies() {
            if dependency.is_inherited() || dependency.is_path_only() {
                continue;
            }
            let key = dependency.key();
            let problem = format!("{key} does not take its version from the workspace");
            let cure =
                format!("`{key}.workspace = true`, with the version in the root's [workspace.dependencies]");
            findings.push(Finding::new(member.manifest_path(), problem, cure));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(dependencies: &str) -> usize {
        let manifest = format!("package.name = 'a'\n{dependencies}");
        let files = [("Cargo.toml", "workspace.members = ['crates/*']"), ("crates/a/Cargo.toml", &manifest)];
        check(&Workspace::of(files)).len()
    }

    #[test]
    fn inherited_and_path_only_pass() {
        assert_eq!(findings("dependencies.http.workspace = true"), 0);
        assert_eq!(findings("dependencies.http = { workspace = true, features = ['std'] }"), 0);
        assert_eq!(findings("dev-dependencies.macadam-test.path = '../test'"), 0);
    }

    #[test]
    fn a_version_of_ones_own_is_found() {
        assert_eq!(findings("dependencies.http = '1'"), 1);
        assert_eq!(findings("dev-dependencies.http.version = '1'"), 1);
        assert_eq!(findings("dependencies.macadam-core = { path = '../core', version = '0.1' }"), 1);
        assert_eq!(findings("dependencies.http.git = 'somewhere'"), 1);
        assert_eq!(findings("target.'cfg(unix)'.dependencies.rustix = '1'"), 1);
    }
}
