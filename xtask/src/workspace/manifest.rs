//! What the rules ask of a member's manifest.

use toml::{Table, Value};

use crate::Result;

const KINDS: [&str; 3] = ["dependencies", "build-dependencies", "dev-dependencies"];

/// One package of the workspace.
pub(crate) struct Member {
    folder: String,
    name: String,
    version: String,
    manifest: Table,
}

impl Member {
    pub(super) fn new(folder: &str, manifest: Table, root: &Table) -> Result<Self> {
        let package =
            manifest.get("package").ok_or_else(|| format!("{folder}/Cargo.toml has no [package]"))?;
        let name = package.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| format!("{folder}/Cargo.toml has no package.name"))?.to_owned();
        // Where it is not a string it is `version.workspace = true`; where there is none cargo says 0.0.0.
        let shared = || root.get("workspace")?.get("package")?.get("version")?.as_str();
        let version = match package.get("version") {
            Some(Value::String(version)) => version,
            Some(_) => shared().unwrap_or("0.0.0"),
            None => "0.0.0",
        };
        Ok(Self { folder: folder.to_owned(), name, version: version.to_owned(), manifest })
    }

    /// Its path from the root, such as `crates/core`.
    pub(crate) fn folder(&self) -> &str {
        &self.folder
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its version, its own or the workspace's.
    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// The path of its Cargo.toml from the root.
    pub(crate) fn manifest_path(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// A table of its manifest at the top level.
    pub(crate) fn table(&self, name: &str) -> Option<&Table> {
        self.manifest.get(name)?.as_table()
    }

    /// Not `publish = false`, and not `publish = []`.
    pub(crate) fn is_published(&self) -> bool {
        match self.table("package").and_then(|package| package.get("publish")) {
            Some(Value::Boolean(publish)) => *publish,
            Some(Value::Array(registries)) => !registries.is_empty(),
            _ => true,
        }
    }

    /// Its dependencies of every kind, those for one target included.
    pub(crate) fn dependencies(&self) -> impl Iterator<Item = Dependency<'_>> {
        let targets = self.table("target").into_iter().flat_map(Table::values).filter_map(Value::as_table);
        [&self.manifest].into_iter().chain(targets).flat_map(|place| {
            KINDS.into_iter().flat_map(move |kind| {
                let entries = place.get(kind).and_then(Value::as_table).into_iter().flatten();
                entries.map(move |(key, spec)| Dependency { key, kind, spec })
            })
        })
    }
}

/// One entry of one of a manifest's tables of dependencies.
pub(crate) struct Dependency<'a> {
    key: &'a str,
    kind: &'static str,
    spec: &'a Value,
}

impl<'a> Dependency<'a> {
    /// The name that the member's code knows it by.
    pub(crate) fn key(&self) -> &'a str {
        self.key
    }

    /// Whether only tests, examples and benches see it.
    pub(crate) fn is_dev(&self) -> bool {
        self.kind == "dev-dependencies"
    }

    /// `workspace = true`.
    pub(crate) fn is_inherited(&self) -> bool {
        self.spec.get("workspace").and_then(Value::as_bool) == Some(true)
    }

    /// A path, and no version beside it.
    pub(crate) fn is_path_only(&self) -> bool {
        self.spec.get("path").is_some() && self.spec.get("version").is_none()
    }

    pub(super) fn package(&self) -> Option<&'a str> {
        self.spec.get("package")?.as_str()
    }
}
