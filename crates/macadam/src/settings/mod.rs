//! What an operator may say of a service, and where.

mod criticality;
mod error;
mod keys;
mod reference;
mod source;
mod value;

use std::{
    ffi::OsString,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use http::HeaderName;
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

/// `[admin]`: the admin listener.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Admin {
    /// Its address; `None` for no admin listener.
    pub listen: Option<SocketAddr>,
}

/// `[request_id]`: request ids.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RequestId {
    /// What to do with the id that a client sent.
    pub inbound: Inbound,
}

/// `[timeouts]`: timeouts of requests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Timeouts {
    /// From a request's arrival to its answer.
    pub request: Duration,
    /// Between two frames of a request's body, while the handler waits for one.
    pub request_body_idle: Duration,
    /// What to do with the time that a caller says it will wait.
    pub inherit: Inherit,
    /// From a request's arrival to its answer, at most, whatever a trusted caller says.
    pub inherit_max: Duration,
    /// The header in which a caller says it, beside those of gRPC, Connect and Envoy.
    pub header: HeaderName,
    /// What becomes of a request whose header for that is malformed.
    pub malformed: Malformed,
    /// Between two frames of a response's body, while the connection asks for one.
    pub response_body_idle: Duration,
    /// The same for streams; `None` is for ever.
    pub stream_idle: Option<Duration>,
}

/// `[load_shed]`: load shedding.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LoadShed {
    /// Whether requests are shed.
    pub mode: Mode,
    /// The most requests in flight at once.
    pub max_in_flight: u32,
    /// The most requests that wait for their turn.
    pub queue: u16,
    /// From a request's place in the queue to its turn, at most.
    pub queue_wait: Duration,
    /// How late the executor may be before requests are shed for it.
    pub target_lag: Duration,
    /// Which path matters how much.
    pub criticality: ByPath,
}

/// `[shutdown]`: the way from a signal to the exit.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Shutdown {
    /// From the signal to the end of accepting, at most.
    pub lame_duck: Duration,
    /// The same at the least, unless `lame_duck` is less.
    pub lame_duck_min: Duration,
    /// From the end of accepting until what is still in flight is cut.
    pub drain: Duration,
    /// From the signal to the exit, whatever hangs.
    pub budget: Duration,
}

/// `[serve]`: connections.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Serve {
    /// From the accept to the first byte.
    pub first_byte: Duration,
    /// From the first byte of a request's head to its last.
    pub header: Duration,
    /// From the end of an exchange to the next request.
    pub keep_alive_idle: Duration,
    /// The least bytes a second of a client that is waited for; 0 for none.
    pub min_rate: u32,
    /// The age at which a connection is to end.
    pub max_age: Option<Duration>,
    /// From that age until what is in flight on it is cut.
    pub max_age_grace: Duration,
    /// The most connections at once.
    pub max_connections: u32,
    /// The most connections of one address; 0 for no limit.
    pub max_connections_per_address: u32,
    /// From where the listening socket comes at the start, and whether it is given to the next instance.
    pub hand_over: HandOver,
    /// Whether other processes may listen on the same address.
    pub reuse_port: bool,
    /// The file with the certificate; `None` for no TLS.
    pub tls_certificate: Option<PathBuf>,
    /// The file with its private key.
    pub tls_key: Option<PathBuf>,
    /// From the accept to the end of the TLS handshake.
    pub tls_handshake: Duration,
}

/// `[health]`: probes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Health {
    /// Whether the public listener answers probes too.
    pub public: bool,
    /// Whether the service asks itself on its public listener.
    pub loopback_probe: bool,
    /// How long all workers stand still before the service is not ready.
    pub unready_after: Duration,
    /// The same before it should be started anew; `None` is never.
    pub dead_after: Option<Duration>,
    /// What readiness says from the lame duck on.
    pub on_drain: OnDrain,
    /// Whether responses tell Envoy to take this instance out.
    pub envoy: bool,
    /// The address of the agent that HAProxy asks; `None` for no agent.
    pub agent_check: Option<SocketAddr>,
}

/// `[telemetry]`: logs and traces.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Telemetry {
    /// Their form.
    pub logs: Logs,
    /// Which events are logged, in the form of `RUST_LOG`.
    pub filter: String,
    /// The level of the line that is written of each request.
    pub access: Access,
    /// How many warnings and errors of one place are written at once, and then a second; 0 for no limit.
    pub repeats: u32,
    /// What becomes of the trace that a caller says it is in.
    pub trust_inbound: TrustInbound,
    /// Whether what is measured, traced and logged goes to the collector that the environment names.
    pub otlp: bool,
    /// From the beginning of the last flush of that to its end, at most.
    pub flush_timeout: Duration,
}

impl Default for Settings {
    /// The defaults of the profile that fits this build: `dev` with debug assertions, else `prod`.
    fn default() -> Self {
        Self::of_profile(if cfg!(debug_assertions) { Profile::Dev } else { Profile::Prod })
    }
}

impl Settings {
    /// The defaults of a profile. Each has its reason in the table of keys.
    pub fn of_profile(profile: Profile) -> Self {
        let dev = profile == Profile::Dev;
        Self {
            name: source::service_name(),
            profile,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            body_limit: Bytes(1 << 20),
            admin: Admin { listen: Some(SocketAddr::from(([127, 0, 0, 1], 9901))) },
            request_id: RequestId { inbound: Inbound::AcceptIfValid },
            timeouts: Timeouts {
                request: Duration::from_secs(3),
                request_body_idle: Duration::from_secs(30),
                inherit: Inherit::Shorten,
                inherit_max: Duration::from_secs(20),
                header: HeaderName::from_static("x-request-timeout-ms"),
                malformed: Malformed::Ignore,
                response_body_idle: Duration::from_secs(300),
                stream_idle: None,
            },
            load_shed: LoadShed {
                mode: Mode::Enforce,
                max_in_flight: 1024,
                queue: 512,
                queue_wait: Duration::from_millis(250),
                target_lag: Duration::from_millis(5),
                criticality: ByPath::default(),
            },
            shutdown: Shutdown {
                lame_duck: Duration::from_secs(if dev { 0 } else { 5 }),
                lame_duck_min: Duration::from_secs(1),
                drain: Duration::from_secs(20),
                budget: Duration::from_secs(28),
            },
            serve: Serve {
                first_byte: Duration::from_secs(10),
                header: Duration::from_secs(20),
                keep_alive_idle: Duration::from_secs(75),
                min_rate: 240,
                max_age: None,
                max_age_grace: Duration::from_secs(30),
                max_connections: 10_000,
                max_connections_per_address: 0,
                hand_over: HandOver::Auto,
                reuse_port: false,
                tls_certificate: None,
                tls_key: None,
                tls_handshake: Duration::from_secs(10),
            },
            health: Health {
                public: true,
                loopback_probe: false,
                unready_after: Duration::from_secs(1),
                dead_after: Some(Duration::from_secs(10)),
                on_drain: OnDrain::Fail,
                envoy: false,
                agent_check: None,
            },
            telemetry: Telemetry {
                logs: if dev { Logs::Pretty } else { Logs::Json },
                filter: "info".to_owned(),
                access: Access::Info,
                repeats: 10,
                trust_inbound: TrustInbound::Link,
                otlp: true,
                flush_timeout: Duration::from_secs(1),
            },
            app: toml::Table::new(),
            app_source: None,
            set: Vec::new(),
            grace_period: None,
        }
    }

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

    /// Refuses values that fit their keys, and that no service can run with.
    pub(crate) fn check(&self) -> Result<(), SettingsError> {
        let zero = [
            (self.timeouts.request.is_zero(), "timeouts.request"),
            (self.timeouts.request_body_idle.is_zero(), "timeouts.request_body_idle"),
            (self.timeouts.response_body_idle.is_zero(), "timeouts.response_body_idle"),
            (self.timeouts.stream_idle == Some(Duration::ZERO), "timeouts.stream_idle"),
            (self.serve.first_byte.is_zero(), "serve.first_byte"),
            (self.serve.header.is_zero(), "serve.header"),
            (self.serve.keep_alive_idle.is_zero(), "serve.keep_alive_idle"),
            (self.serve.tls_handshake.is_zero(), "serve.tls_handshake"),
            (self.serve.max_age == Some(Duration::ZERO), "serve.max_age"),
            (self.serve.max_connections == 0, "serve.max_connections"),
            (self.load_shed.max_in_flight == 0, "load_shed.max_in_flight"),
            (self.health.unready_after.is_zero(), "health.unready_after"),
            (self.health.dead_after == Some(Duration::ZERO), "health.dead_after"),
        ];
        if let Some((_, key)) = zero.into_iter().find(|(is_zero, _)| *is_zero) {
            return Err(SettingsError::Zero { key, source: self.source_of(key).cloned() });
        }
        let halves =
            [(&self.serve.tls_certificate, "serve.tls_certificate"), (&self.serve.tls_key, "serve.tls_key")];
        if let [(Some(_), key), (None, missing)] | [(None, missing), (Some(_), key)] = halves {
            return Err(SettingsError::Half { key, missing, source: self.source_of(key).cloned() });
        }
        // A default gives way, and so does a lame duck that is left out; two numbers that somebody chose have to agree.
        let Shutdown { lame_duck, lame_duck_min, .. } = self.shutdown;
        if let Some(source) = self.source_of("shutdown.lame_duck_min").filter(|_| !lame_duck.is_zero()) {
            if lame_duck_min > lame_duck {
                let (least, most) = (lame_duck_min, lame_duck);
                return Err(SettingsError::LameDuck { least, most, source: source.clone() });
            }
        }
        if let Some(grace_period) = self.grace_period.filter(|it| self.shutdown.budget > it.period()) {
            let (budget, grace_period) = (self.shutdown.budget, grace_period.period());
            return Err(SettingsError::Killed { budget, grace_period });
        }
        if self.health.agent_check.is_some() && self.admin.listen.is_none() {
            return Err(SettingsError::NoAdmin { source: self.source_of("health.agent_check").cloned() });
        }
        let addresses = [
            (Some(self.listen), "listen"),
            (self.admin.listen, "admin.listen"),
            (self.health.agent_check, "health.agent_check"),
        ];
        for (index, (address, other)) in addresses.iter().enumerate() {
            // Port 0 is a new one each time it is asked for.
            let Some(address) = address.filter(|address| address.port() != 0) else { continue };
            let one = addresses[..index].iter().find(|(earlier, _)| *earlier == Some(address));
            if let Some((_, one)) = one {
                return Err(SettingsError::SameAddress { address, one, other });
            }
        }
        Ok(())
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
