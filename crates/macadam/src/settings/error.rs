//! What can be wrong with the settings.

use std::{fmt, net::SocketAddr, time::Duration};

use macadam_graceful_shutdown::{GracePeriod, GracePeriodError};

use super::source::Source;

/// What is wrong with the settings: which key, which value, from where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SettingsError {
    /// No key is called so.
    Unknown {
        /// What was written.
        name: String,
        /// The nearest name that there is, if one is near.
        nearest: Option<String>,
        /// Where it was written.
        source: Source,
    },
    /// A value does not fit its key.
    Value {
        /// The key, as the source writes it.
        name: String,
        /// What was written.
        value: String,
        /// What is expected.
        expects: &'static str,
        /// Where it was written.
        source: Source,
    },
    /// A file cannot be read.
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        message: String,
    },
    /// A file is not TOML.
    Toml {
        /// Where: the file and the line, counted from 1.
        place: String,
        /// Why.
        message: String,
    },
    /// `[app]` does not fit the service's own type.
    App {
        /// Where it was written; `None` if it was not.
        source: Option<Source>,
        /// Why.
        message: String,
    },
    /// A value of zero, with which nothing would ever be served.
    Zero {
        /// The key, as in the file.
        key: &'static str,
        /// Where it was written, if a source says so.
        source: Option<Source>,
    },
    /// One of two that make sense only together.
    Half {
        /// The key that is set, as in the file.
        key: &'static str,
        /// The one that is not.
        missing: &'static str,
        /// Where it was written, if a source says so.
        source: Option<Source>,
    },
    /// The least that the lame duck is to take is more than the most.
    LameDuck {
        /// `shutdown.lame_duck_min`.
        least: Duration,
        /// `shutdown.lame_duck`.
        most: Duration,
        /// Where the least was written.
        source: Source,
    },
    /// The platform's grace period, in the environment, is none.
    GracePeriod(GracePeriodError),
    /// The platform would kill the process before its budget is over.
    Killed {
        /// `shutdown.budget`.
        budget: Duration,
        /// What the environment says that the platform gives.
        grace_period: Duration,
    },
    /// Two listeners have one address.
    SameAddress {
        /// Which.
        address: SocketAddr,
        /// The key of the first.
        one: &'static str,
        /// That of the other.
        other: &'static str,
    },
    /// There is to be an agent for HAProxy, and no admin thread for it.
    NoAdmin {
        /// Where it was written, if a source says so.
        source: Option<Source>,
    },
    /// `profile = "prod"` in a build with debug assertions.
    DebugBuild {
        /// The key, as the source writes it.
        name: String,
        /// Where the profile was said.
        source: Source,
    },
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { name, nearest, source } => {
                write!(f, "{source}: there is no setting {name:?}")?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
                    None => f.write_str("; a service's own settings stand in the table [app]"),
                }
            }
            Self::Value { name, value, expects, source } => {
                write!(f, "{source}: `{name}` is {value:?}; expected {expects}")
            }
            Self::Unreadable { path, message } => {
                write!(
                    f,
                    "cannot read the settings in {path:?}: {message}; mend it, or name another file in MACADAM_CONFIG"
                )
            }
            Self::Toml { place, message } => write!(f, "{place}: not valid TOML: {message}"),
            Self::App { source: Some(source), message } => {
                write!(f, "{source}: [app] does not fit: {message}")
            }
            Self::App { source: None, message } => {
                write!(f, "no macadam.toml has a table [app], and the service needs it: {message}")
            }
            Self::Zero { key, source } => {
                if let Some(source) = source {
                    write!(f, "{source}: ")?;
                }
                write!(f, "`{key}` is 0, and nothing would ever be served; ")?;
                f.write_str(match *key {
                    "load_shed.max_in_flight" => "set `load_shed.mode` to `off` for no limit",
                    "serve.max_connections" => "choose a number above 0",
                    _ => "choose a time above 0s, as long as `24h` for next to no limit",
                })
            }
            Self::Half { key, missing, source } => {
                if let Some(source) = source {
                    write!(f, "{source}: ")?;
                }
                write!(f, "`{key}` is set and `{missing}` is not; set both, or neither for no TLS")
            }
            Self::LameDuck { least, most, source } => write!(
                f,
                "{source}: `shutdown.lame_duck_min` is {least:?}, and the lame duck takes {most:?} at most; raise `shutdown.lame_duck` to {least:?}, or lower the other"
            ),
            Self::GracePeriod(error) => write!(f, "environment: {error}"),
            Self::Killed { budget, grace_period } => write!(
                f,
                "`shutdown.budget` is {budget:?}, and {} says that the process is killed after {grace_period:?}; leave the budget out, or raise the pod's terminationGracePeriodSeconds",
                GracePeriod::VARIABLE
            ),
            Self::SameAddress { address, one, other } => write!(
                f,
                "`{one}` and `{other}` are both {address}; give `{other}` an address of its own, or `off`"
            ),
            Self::NoAdmin { source } => {
                if let Some(source) = source {
                    write!(f, "{source}: ")?;
                }
                f.write_str(
                    "`health.agent_check` is set and `admin.listen` is off, on whose thread the agent answers; give both an address, or neither",
                )
            }
            Self::DebugBuild { name, source } => write!(
                f,
                "{source}: `{name}` is \"prod\", but this build has debug assertions; build with --release, or leave the profile unsaid"
            ),
        }
    }
}

impl std::error::Error for SettingsError {}

impl From<GracePeriodError> for SettingsError {
    fn from(error: GracePeriodError) -> Self {
        Self::GracePeriod(error)
    }
}
