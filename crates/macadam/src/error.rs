//! Why a service did not start.

use std::{fmt, io, net::SocketAddr};

use crate::settings::SettingsError;

/// Why a service did not start, or could not go on: one sentence for a person, with the cure in it.
///
/// Its `Debug` is that sentence too, since that is what a `main` that returns it prints.
#[non_exhaustive]
#[derive(thiserror::Error)]
pub enum Error {
    /// The settings.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// The phases of a shutdown do not fit.
    #[error("{0}")]
    Shutdown(#[from] macadam_graceful_shutdown::ConfigError),
    /// A health check.
    #[error("{0}")]
    Health(#[from] macadam_health::ConfigError),
    /// The limit of the load-shedding gate.
    #[error("{0}")]
    LoadShed(#[from] macadam_load_shed::ConfigError),
    /// The certificate of the public listener.
    #[cfg(feature = "tls")]
    #[error("{0}")]
    Tls(#[from] macadam_serve::TlsError),
    /// The settings name a certificate, and the build has no TLS.
    #[error(
        "`serve.tls_certificate` is set, but this build speaks no TLS; add `features = [\"tls\"]` to the dependency on macadam, or leave the setting out"
    )]
    NoTls,
    /// The filter of the log.
    #[error(
        "`{source_name}` is {directives:?}, which is no log filter ({message}); expected one such as `info` or `info,hyper=warn`"
    )]
    LogFilter {
        /// Where it was said.
        source_name: &'static str,
        /// What was said.
        directives: String,
        /// What is wrong with it.
        message: String,
    },
    /// What is to be sent to a collector, and how.
    #[error("{0}")]
    Telemetry(Box<dyn std::error::Error + Send + Sync>),
    /// The log has no thread to write it.
    #[error("cannot start the thread that writes the log: {0}; the process may have too few threads left")]
    Log(io::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} (`{key}`): {error}{}", cure(.error, .key))]
    Listen {
        /// The setting that names the address.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The admin listener.
    #[error("{0}")]
    Admin(#[from] macadam_admin::AdminError),
    /// The server ended with an error.
    #[error("the server ended: {0}")]
    Serve(io::Error),
    /// A road carries one service once.
    #[error("this road has been run already; build another one")]
    AlreadyRun,
}

fn cure(error: &io::Error, key: &str) -> String {
    let variable = key.to_ascii_uppercase().replace('.', "_");
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("; another process listens there: stop it, or set MACADAM_{variable} to a free address")
        }
        io::ErrorKind::PermissionDenied => {
            format!("; ports below 1024 need a privilege: set MACADAM_{variable} to a higher one")
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("; this machine has no such address: set MACADAM_{variable} to one that it has")
        }
        // Of an address that is systemd's to make.
        io::ErrorKind::NotFound => {
            "; start it by its .socket unit, or set MACADAM_SERVE_HAND_OVER to `auto`".to_owned()
        }
        _ => String::new(),
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
