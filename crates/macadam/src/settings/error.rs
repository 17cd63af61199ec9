//! What can be wrong with the settings.

use std::fmt;

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
        /// Why.
        message: String,
    },
    /// `profile = "prod"` in a build with debug assertions.
    DebugBuild {
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
                    None => f.write_str("; docs/defaults.md lists all there are"),
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
            Self::App { message } => write!(f, "[app] in the settings does not fit: {message}"),
            Self::DebugBuild { source } => write!(
                f,
                "{source}: `profile` is \"prod\", but this build has debug assertions; build with --release, or leave the profile unsaid"
            ),
        }
    }
}

impl std::error::Error for SettingsError {}
