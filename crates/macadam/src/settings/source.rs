//! Where settings are written: a file, and the environment.

use std::{ffi::OsString, fmt, io, path::Path};

use macadam_graceful_shutdown::GracePeriod;

use super::{
    Settings,
    error::SettingsError,
    keys::{KEYS, Key},
    value::Value,
};

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// In this file.
    File(String),
    /// In the environment.
    Environment,
    /// Nowhere: it follows from something else.
    Derived(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => f.write_str(path),
            Self::Environment => f.write_str("environment"),
            Self::Derived(from) => f.write_str(from),
        }
    }
}

/// A key that exists, and the text of its value.
pub(super) struct Entry {
    pub(super) key: &'static Key,
    pub(super) source: Source,
    /// The key, as the source writes it.
    pub(super) name: String,
    text: String,
}

impl Entry {
    pub(super) fn apply(&self, settings: &mut Settings) -> Result<(), SettingsError> {
        (self.key.set)(settings, &self.text).ok_or_else(|| SettingsError::Value {
            name: self.name.clone(),
            value: self.text.clone(),
            expects: (self.key.expects)(settings),
            source: self.source.clone(),
        })
    }
}

/// All that was written.
#[derive(Default)]
pub(super) struct Written {
    pub(super) entries: Vec<Entry>,
    pub(super) app: toml::Table,
    pub(super) app_source: Option<Source>,
}

/// The file to read.
pub(super) struct ConfigFile {
    pub(super) path: OsString,
    /// Somebody asked for it, so it has to exist.
    pub(super) required: bool,
}

type Environment = [(OsString, OsString)];

const PREFIX: &str = "MACADAM_";
const CONFIG: &str = "MACADAM_CONFIG";

pub(super) fn config_file(environment: &Environment) -> ConfigFile {
    match environment.iter().find(|(name, _)| name == CONFIG) {
        Some((_, path)) => ConfigFile { path: path.clone(), required: true },
        None => ConfigFile { path: "macadam.toml".into(), required: false },
    }
}

/// What the platform gives a process from its signal to its kill, if the environment tells.
pub(super) fn grace_period(environment: &Environment) -> Result<Option<GracePeriod>, SettingsError> {
    let value = environment.iter().find(|(name, _)| name == GracePeriod::VARIABLE);
    value.map(|(_, value)| Ok(value.to_string_lossy().parse()?)).transpose()
}

/// The budget that follows from a grace period, as if it had been written before all else.
pub(super) fn budget(grace_period: GracePeriod) -> Option<Entry> {
    let key = KEYS.iter().find(|key| key.path == "shutdown.budget")?;
    let text = grace_period.budget().show();
    let name = GracePeriod::VARIABLE;
    Some(Entry { key, source: Source::Derived(name), name: name.to_owned(), text })
}

pub(super) fn read_file(path: &Path, required: bool) -> Result<Written, SettingsError> {
    match std::fs::read_to_string(path) {
        Ok(text) => parse_toml(&text, Source::File(path.display().to_string())),
        Err(error) if error.kind() == io::ErrorKind::NotFound && !required => Ok(Written::default()),
        Err(error) => {
            Err(SettingsError::Unreadable { path: path.display().to_string(), message: error.to_string() })
        }
    }
}

pub(super) fn parse_toml(text: &str, source: Source) -> Result<Written, SettingsError> {
    let mut table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        SettingsError::Toml { place: format!("{source}:{line}"), message: error.message().replace('\n', " ") }
    })?;
    let app = match table.remove("app") {
        Some(toml::Value::Table(app)) => Some(app),
        Some(_) => {
            return Err(SettingsError::App { source: Some(source), message: "it is not a table".to_owned() });
        }
        None => None,
    };
    let mut entries = Vec::new();
    flatten("", &table, &source, &mut entries)?;
    let app_source = app.is_some().then_some(source);
    Ok(Written { entries, app: app.unwrap_or_default(), app_source })
}

fn flatten(
    prefix: &str,
    table: &toml::Table,
    source: &Source,
    entries: &mut Vec<Entry>,
) -> Result<(), SettingsError> {
    for (name, value) in table {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        let text = match value {
            toml::Value::Table(inner) if KEYS.iter().all(|key| key.path != path) => {
                flatten(&path, inner, source, entries)?;
                continue;
            }
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(flag) => flag.to_string(),
            // No setting is of another type: what is said of the value is then what is wrong with it.
            other => other.type_str().to_owned(),
        };
        let key = KEYS.iter().find(|key| key.path == path).ok_or_else(|| SettingsError::Unknown {
            nearest: nearest(&path, |key| key.path.to_owned()),
            name: path.clone(),
            source: source.clone(),
        })?;
        entries.push(Entry { key, source: source.clone(), name: path, text });
    }
    Ok(())
}

pub(super) fn read_environment(environment: &Environment) -> Result<Vec<Entry>, SettingsError> {
    let mut entries = Vec::new();
    for (name, value) in environment {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX) && *name != CONFIG) else {
            continue;
        };
        let text = value.to_string_lossy().into_owned();
        match KEYS.iter().find(|key| key.variable() == name) {
            Some(key) => {
                entries.push(Entry { key, source: Source::Environment, name: name.to_owned(), text });
            }
            None if is_service_link(name, &text) => {}
            None => {
                return Err(SettingsError::Unknown {
                    nearest: nearest(name, Key::variable),
                    name: name.to_owned(),
                    source: Source::Environment,
                });
            }
        }
    }
    Ok(entries)
}

/// Whether this is one of the variables that Kubernetes puts into every pod for a Service called `macadam…`:
/// `…_SERVICE_HOST`, `…_SERVICE_PORT[_NAME]`, `…_PORT` with an address, `…_PORT_80_TCP[_ADDR|_PORT|_PROTO]`.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_address = ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    let is_port = |rest: &str| {
        let mut words = rest.split('_');
        words.next().is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
            && matches!(words.next(), Some("TCP" | "UDP" | "SCTP"))
            && matches!(words.next(), None | Some("ADDR" | "PORT" | "PROTO"))
            && words.next().is_none()
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        || (name.ends_with("_PORT") && is_address)
        || name.match_indices("_PORT_").any(|(at, word)| is_port(&name[at + word.len()..]))
}

/// The name most like `name`, if one is like it at all.
fn nearest(name: &str, named: impl Fn(&Key) -> String) -> Option<String> {
    // What all names begin with says nothing of their likeness.
    let own = |name: &str| name.strip_prefix(PREFIX).unwrap_or(name).to_owned();
    let likeness = |other: &str| strsim::jaro_winkler(&own(name), &own(other));
    let names = KEYS.iter().map(named);
    let nearest = names.max_by(|one, other| likeness(one).total_cmp(&likeness(other)))?;
    (likeness(&nearest) > 0.8).then_some(nearest)
}

/// The service's name where nobody says it: `OTEL_SERVICE_NAME`, else the executable's.
pub(super) fn service_name() -> String {
    let named = std::env::var("OTEL_SERVICE_NAME").ok().filter(|name| !name.is_empty());
    let executable = || Some(std::env::current_exe().ok()?.file_stem()?.to_string_lossy().into_owned());
    named.or_else(executable).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn load(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        Settings::from_environment(&variables)
    }

    #[test]
    fn the_platforms_grace_period_less_two_seconds_is_the_budget() {
        let settings = load(&[("TERMINATION_GRACE_PERIOD_SECONDS", "60")]).unwrap();
        assert_eq!(settings.shutdown.budget, Duration::from_secs(58));
        let said: Vec<_> = settings.differing().collect();
        assert_eq!(said, ["shutdown.budget = 58s (from TERMINATION_GRACE_PERIOD_SECONDS)"]);
    }

    #[test]
    fn a_budget_that_somebody_chose_wins_and_has_to_end_before_the_kill() {
        let chosen = |budget| {
            load(&[("MACADAM_SHUTDOWN_BUDGET", budget), ("TERMINATION_GRACE_PERIOD_SECONDS", "30")]).unwrap()
        };
        assert_eq!(chosen("25s").shutdown.budget, Duration::from_secs(25));
        assert!(chosen("30s").check().is_ok());
        let error = chosen("31s").check().unwrap_err().to_string();
        assert!(
            error.starts_with("`shutdown.budget` is 31s, and TERMINATION_GRACE_PERIOD_SECONDS says"),
            "{error}"
        );
    }

    #[test]
    fn a_grace_period_that_is_none_is_named_with_its_cure() {
        let error = load(&[("TERMINATION_GRACE_PERIOD_SECONDS", "30s")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "environment: `TERMINATION_GRACE_PERIOD_SECONDS` is \"30s\"; expected a whole number of seconds above 2, \
             such as `30`; write the pod's terminationGracePeriodSeconds there, or leave the variable out"
        );
    }
}
