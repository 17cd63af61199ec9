//! Invariant 1: three tiers, and edges only downwards.
//!
//! Leaves meet through core's types or in an assembly. A leaf that depended on a leaf could not be used without
//! it, and the order of the two would be decided in a second place.

use super::finding::Finding;
use crate::workspace::{Member, Workspace};

const CORE: &str = "macadam-core";
const LEAVES: [&str; 7] = [
    "macadam-request-id",
    "macadam-timeouts",
    "macadam-load-shed",
    "macadam-graceful-shutdown",
    "macadam-health",
    "macadam-telemetry",
    "macadam-serve",
];
const ASSEMBLIES: [&str; 2] = ["macadam-admin", "macadam"];

#[derive(Clone, Copy)]
enum Tier {
    Core,
    Leaf,
    Assembly,
}

impl Tier {
    fn of(name: &str) -> Option<Self> {
        match name {
            CORE => Some(Self::Core),
            leaf if LEAVES.contains(&leaf) => Some(Self::Leaf),
            assembly if ASSEMBLIES.contains(&assembly) => Some(Self::Assembly),
            _ => None,
        }
    }

    /// Cycles among assemblies are cargo's to refuse.
    fn may_use(self, name: &str) -> bool {
        match self {
            Self::Core => false,
            Self::Leaf => name == CORE,
            Self::Assembly => true,
        }
    }

    fn law(self) -> &'static str {
        match self {
            Self::Core => "core depends on none of ours",
            Self::Leaf => "a leaf depends on macadam-core alone",
            Self::Assembly => "an assembly depends on leaves",
        }
    }
}

pub(super) fn check(workspace: &Workspace) -> Vec<Finding> {
    workspace.published().flat_map(|member| edges(workspace, member)).collect()
}

fn edges(workspace: &Workspace, member: &Member) -> Vec<Finding> {
    let name = member.name();
    let Some(tier) = Tier::of(name) else {
        let problem = format!("{name} is published and stands in no tier");
        return vec![Finding::new(
            member.manifest_path(),
            problem,
            "name it in xtask/src/tidy/tiers.rs, or `publish = false`",
        )];
    };
    let ours = |package: &str| workspace.members().iter().find(|other| other.name() == package);
    let mut findings = Vec::new();
    for dependency in member.dependencies().filter(|dependency| !dependency.is_dev()) {
        let Some(other) = ours(workspace.package(&dependency)) else { continue };
        let used = other.name();
        let broken = if !other.is_published() {
            Some((format!("{name} depends on {used}, which is not published"), "make it a dev-dependency"))
        } else if !tier.may_use(used) {
            let cure = "meet through a type in macadam-core, or move what needs both to an assembly";
            Some((format!("{name} depends on {used}, and {}", tier.law()), cure))
        } else {
            None
        };
        findings.extend(broken.map(|(problem, cure)| Finding::new(member.manifest_path(), problem, cure)));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "
        [workspace]
        members = ['crates/*']
        [workspace.dependencies]
        alias = { package = 'macadam-health', path = 'crates/health', version = '1' }";

    /// The findings where `manifest` is the one of a crate beside core, health and the unpublished test crate.
    fn findings(manifest: &str) -> Vec<String> {
        let workspace = Workspace::of([
            ("Cargo.toml", ROOT),
            ("crates/core/Cargo.toml", "package.name = 'macadam-core'"),
            ("crates/health/Cargo.toml", "package.name = 'macadam-health'"),
            ("crates/test/Cargo.toml", "package = { name = 'macadam-test', publish = false }"),
            ("crates/tried/Cargo.toml", manifest),
        ]);
        check(&workspace).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn edges_downwards_and_dev_dependencies_are_allowed() {
        let leaf = "
            package.name = 'macadam-timeouts'
            [dependencies]
            macadam-core.workspace = true
            tokio.workspace = true
            [dev-dependencies]
            macadam-health.workspace = true
            macadam-test.workspace = true";
        assert_eq!(findings(leaf), [""; 0]);
        let assembly = "package.name = 'macadam-admin'\n dependencies.macadam-health.workspace = true";
        assert_eq!(findings(assembly), [""; 0]);
    }

    #[test]
    fn a_leaf_on_a_leaf_is_found_under_every_disguise() {
        for edge in [
            "dependencies.macadam-health.workspace = true",
            "dependencies.alias.workspace = true",
            "dependencies.renamed = { package = 'macadam-health', version = '1' }",
            "build-dependencies.macadam-health.workspace = true",
            "target.'cfg(unix)'.dependencies.macadam-health.workspace = true",
        ] {
            let found = findings(&format!("package.name = 'macadam-timeouts'\n {edge}"));
            assert_eq!(found.len(), 1, "{edge}: {found:?}");
            assert!(
                found[0].starts_with("crates/tried/Cargo.toml: macadam-timeouts depends on macadam-health")
            );
        }
    }

    #[test]
    fn core_on_anything_of_ours_is_found() {
        let workspace = Workspace::of([
            ("Cargo.toml", ROOT),
            (
                "crates/core/Cargo.toml",
                "package.name = 'macadam-core'\n dependencies.macadam-health.workspace = true",
            ),
            ("crates/health/Cargo.toml", "package.name = 'macadam-health'"),
        ]);
        assert_eq!(check(&workspace).len(), 1);
    }

    #[test]
    fn an_unpublished_crate_in_a_published_one_is_found() {
        let found = findings("package.name = 'macadam'\n dependencies.macadam-test.workspace = true");
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("not published"));
    }

    #[test]
    fn a_published_crate_without_a_tier_is_found() {
        assert_eq!(findings("package.name = 'macadam-news'").len(), 1);
    }
}
