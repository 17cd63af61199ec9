//! What an operator may say of a service, and where.

mod check;
mod criticality;
mod defaults;
mod error;
mod keys;
mod reference;
mod sections;
mod source;
mod value;

use std::{ffi::OsString, net::SocketAddr, path::Path, time::Duration};

use macadam_graceful_shutdown::GracePeriod;
pub use macadam_health::OnDrain;
pub use macadam_load_shed::Mode;
pub use macadam_serve::HandOver;
pub use macadam_telemetry::{Access, Inbound as TrustInbound};
pub use macadam_timeouts::Malformed;
use serde::de::DeserializeOwned;

pub use self::{
    criticality::ByPath,
    error::SettingsError,
    sections::{Admin, Health, LoadShed, RequestId, Serve, Shutdown, Telemetry, Timeouts},
    value::{Bytes, Inbound, Inherit, Logs, Profile},
};
use self::{
    keys::{KEYS, Key},
    source::{Entry, Source, Written},
};

/// Every setting of the road, each with a default that has its reason in `docs/defaults.md`.
///
/// [`load`](Self::load) reads `macadam.toml`, then the environment; later sources win. A key is written
/// `timeouts.request` here, `[timeouts]` with `request = "3s"` there, and `MACADAM_TIMEOUTS_REQUEST` in the
/// environment. What no key is called is refused, with the nearest name that there is.
///
/// ```
/// let mut settings = macadam::Settings::default();
/// settings.timeouts.request = std::time::Duration::from_millis(800);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// The service's name, for telemetry.
    pub name: String,
    /// Where it runs.
    pub profile: Profile,
    /// The address of the public listener.
    pub listen: SocketAddr,
    /// The most bytes of a request's body that are read, unless a route says otherwise.
    pub body_limit: Bytes,
    /// The admin listener.
    pub admin: Admin,
    /// Request ids.
    pub request_id: RequestId,
    /// Timeouts of requests.
    pub timeouts: Timeouts,
    /// Load shedding.
    pub load_shed: LoadShed,
    /// The way from a signal to the exit.
    pub shutdown: Shutdown,
    /// Connections.
    pub serve: Serve,
    /// Probes.
    pub health: Health,
    /// Logs.
    pub telemetry: Telemetry,
    app: toml::Table,
    app_source: Option<Source>,
    set: Vec<(&'static str, Source)>,
    grace_period: Option<GracePeriod>,
}

impl Settings {
    /// Reads `macadam.toml` (or the file that `MACADAM_CONFIG` names), then the environment.
    ///
    /// Where neither says `shutdown.budget` and the environment has `TERMINATION_GRACE_PERIOD_SECONDS`, it is that less
    /// 2 s.
    ///
    /// # Errors
    ///
    /// Where a source cannot be read, a key does not exist or a value does not fit: the error names the key, the
    /// value, the source and the cure.
    pub fn load() -> Result<Self, SettingsError> {
        let environment: Vec<_> = std::env::vars_os().collect();
        Self::from_environment(&environment)
    }

    fn from_environment(environment: &[(OsString, OsString)]) -> Result<Self, SettingsError> {
        let file = source::config_file(environment);
        let grace_period = source::grace_period(environment)?;
        let mut written = source::read_file(Path::new(&file.path), file.required)?;
        written.entries.splice(..0, grace_period.and_then(source::budget));
        written.entries.extend(source::read_environment(environment)?);
        Ok(Self { grace_period, ..Self::from_written(written)? })
    }

    /// Reads the text of a `macadam.toml`, and nothing else.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load).
    pub fn from_toml(text: &str) -> Result<Self, SettingsError> {
        Self::from_written(source::parse_toml(text, Source::File("macadam.toml".into()))?)
    }

    fn from_written(written: Written) -> Result<Self, SettingsError> {
        let Written { entries, app, app_source } = written;
        // The profile decides on defaults, so it is read before all else.
        let mut settings = Self::default();
        for entry in entries.iter().filter(|entry| entry.key.path == "profile") {
            entry.apply(&mut settings)?;
        }
        settings.refuse_debug_build_in_prod(&entries)?;
        let mut settings = Self::of_profile(settings.profile);
        for entry in &entries {
            entry.apply(&mut settings)?;
        }
        settings.app = app;
        settings.app_source = app_source;
        // Later sources win, so the last entry of a key is where its value comes from.
        let source = |key: &Key| entries.iter().rfind(|entry| entry.key.path == key.path);
        let set = KEYS.iter().filter_map(|key| Some((key.path, source(key)?.source.clone())));
        settings.set = set.collect();
        Ok(settings)
    }

    fn refuse_debug_build_in_prod(&self, entries: &[Entry]) -> Result<(), SettingsError> {
        let said = entries.iter().rfind(|entry| entry.key.path == "profile");
        match said {
            Some(entry) if cfg!(debug_assertions) && self.profile == Profile::Prod => {
                Err(SettingsError::DebugBuild { name: entry.name.clone(), source: entry.source.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The `[app]` table of the file, which is the service's own.
    ///
    /// # Errors
    ///
    /// Where the table does not fit `T`.
    pub fn app<T: DeserializeOwned>(&self) -> Result<T, SettingsError> {
        self.app.clone().try_into().map_err(|error: toml::de::Error| SettingsError::App {
            source: self.app_source.clone(),
            message: error.to_string().trim().replace('\n', " "),
        })
    }

    /// The drain, if somebody chose it.
    pub(crate) fn chosen_drain(&self) -> Option<Duration> {
        let default = Self::of_profile(self.profile).shutdown.drain;
        let chosen = self.source_of("shutdown.drain").is_some() || self.shutdown.drain != default;
        chosen.then_some(self.shutdown.drain)
    }

    /// What the drain has come to be: it gives way, unless somebody chose it.
    pub(crate) fn drain_is(&mut self, drain: Duration) {
        if drain != self.shutdown.drain {
            self.shutdown.drain = drain;
            self.set.push(("shutdown.drain", Source::Derived("what `shutdown.budget` leaves")));
        }
    }

    /// What was set, to what and where: a line a key.
    pub fn differing(&self) -> impl Iterator<Item = String> {
        KEYS.iter().filter_map(|key| {
            let source = self.source_of(key.path)?;
            Some(format!("{} = {} (from {source})", key.path, (key.show)(self)))
        })
    }

    /// Where this key was set, if it was.
    pub(crate) fn source_of(&self, path: &str) -> Option<&Source> {
        self.set.iter().find(|(set, _)| *set == path).map(|(_, source)| source)
    }
}
