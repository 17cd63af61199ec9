//! The workspace as text: what a rule reads, so that the rule is a pure function and its test a few strings.

mod manifest;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use toml::Table;

pub(crate) use self::manifest::{Dependency, Member};
use crate::Result;

/// Every text file that somebody wrote by hand, and the manifests among them, parsed.
pub(crate) struct Workspace {
    /// By path from the root, with `/` on every platform.
    files: BTreeMap<String, String>,
    manifest: Table,
    members: Vec<Member>,
}

impl Workspace {
    /// Reads the workspace whose root is `root`.
    ///
    /// # Errors
    /// Where a file cannot be read, or a manifest not be parsed.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        read_folder(root, "", &mut files)?;
        Self::new(files)
    }

    fn new(files: BTreeMap<String, String>) -> Result<Self> {
        let parse = |path: &str, text: &str| -> Result<Table> {
            text.parse().map_err(|error| format!("{path}: {error}").into())
        };
        let manifest = parse("Cargo.toml", files.get("Cargo.toml").ok_or("there is no Cargo.toml here")?)?;
        let mut members = Vec::new();
        for (path, text) in &files {
            let Some(folder) = path.strip_suffix("/Cargo.toml") else { continue };
            if is_member(&manifest, folder) {
                members.push(Member::new(folder, parse(path, text)?, &manifest)?);
            }
        }
        Ok(Self { files, manifest, members })
    }

    /// A workspace made of strings.
    #[cfg(test)]
    pub(crate) fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        Self::new(files).expect("the manifests in a test parse")
    }

    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }

    /// The members that go to the registry.
    pub(crate) fn published(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.is_published())
    }

    pub(crate) fn file(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Path and text of every file, in the order of their paths.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// Path and text of a member's Rust sources, tests and benches left out.
    pub(crate) fn sources(&self, member: &Member) -> impl Iterator<Item = (&str, &str)> {
        let folder = format!("{}/src/", member.folder());
        self.files().filter(move |(path, _)| path.starts_with(&folder) && path.ends_with(".rs"))
    }

    /// The workspace's own table of the root manifest.
    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.manifest.get("workspace")?.get(name)?.as_table()
    }

    /// The name under which the registry knows a dependency, whatever the manifests call it.
    pub(crate) fn package<'a>(&'a self, dependency: &Dependency<'a>) -> &'a str {
        let shared = || self.table("dependencies")?.get(dependency.key())?.get("package")?.as_str();
        dependency.package().or_else(shared).unwrap_or(dependency.key())
    }
}

/// Whether `folder` is one of the workspace's `members`, each a path or a path that ends with `/*`.
fn is_member(manifest: &Table, folder: &str) -> bool {
    let members = manifest.get("workspace").and_then(|workspace| workspace.get("members"));
    let patterns =
        members.and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_str);
    let parent = folder.rsplit_once('/').map(|(parent, _)| parent);
    patterns.into_iter().any(|pattern| match pattern.strip_suffix("/*") {
        Some(stem) => parent == Some(stem),
        None => folder == pattern,
    })
}

fn read_folder(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) -> Result {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let path = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            // Built things, and what tools keep for themselves.
            if name != "target" && !name.starts_with('.') {
                read_folder(&entry.path(), &format!("{path}/"), files)?;
            }
        } else if [".rs", ".toml", ".md"].iter().any(|ending| name.ends_with(ending)) {
            let text = fs::read_to_string(entry.path()).map_err(|error| format!("{path}: {error}"))?;
            files.insert(path, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "
        [workspace]
        members = ['crates/*', 'xtask']
        [workspace.package]
        version = '0.3.1'
        [workspace.dependencies]
        short = { package = 'a-long-name', version = '1' }";

    #[test]
    fn members_are_those_of_the_patterns() {
        let workspace = Workspace::of([
            ("Cargo.toml", ROOT),
            ("crates/core/Cargo.toml", "package = { name = 'macadam-core', version.workspace = true }"),
            ("crates/core/deeper/Cargo.toml", "package.name = 'not-a-member'"),
            ("fuzz/Cargo.toml", "package.name = 'not-a-member-either'"),
            ("xtask/Cargo.toml", "package = { name = 'xtask', version = '0.0.0', publish = false }"),
        ]);
        let names: Vec<_> = workspace.members().iter().map(Member::name).collect();
        assert_eq!(names, ["macadam-core", "xtask"]);
        assert_eq!(workspace.published().map(Member::version).collect::<Vec<_>>(), ["0.3.1"]);
    }

    #[test]
    fn a_renamed_dependency_is_known_by_its_package() {
        let manifest = "
            [package]
            name = 'a'
            version = '1.0.0'
            [dependencies]
            short.workspace = true
            [target.'cfg(unix)'.build-dependencies]
            other = { package = 'another', version = '1' }
            [dev-dependencies]
            plain = '1'";
        let workspace = Workspace::of([("Cargo.toml", ROOT), ("xtask/Cargo.toml", manifest)]);
        let member = &workspace.members()[0];
        let found: Vec<_> =
            member.dependencies().map(|dep| (workspace.package(&dep), dep.is_dev())).collect();
        assert_eq!(found, [("a-long-name", false), ("plain", true), ("another", false)]);
    }
}
