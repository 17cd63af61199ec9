//! Why the admin listener does not start.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
};

/// Why the admin listener does not start, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdminError {
    /// Its address cannot be had.
    #[error("the admin listener cannot have {address} ({source}): {}", cure(source))]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The listener that it was given cannot be used.
    #[error(
        "the admin listener was given a socket that does not listen ({source}): give it a bound TCP listener"
    )]
    Listener {
        /// What the system says.
        source: io::Error,
    },
    /// Its thread or its runtime cannot be made.
    #[error(
        "the admin listener cannot start its thread ({source}): raise the process' limits on threads and descriptors"
    )]
    Thread {
        /// What the system says.
        source: io::Error,
    },
}

fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "stop what listens there, or give the admin listener another address",
        ErrorKind::AddrNotAvailable => "give it an address of this machine, such as 127.0.0.1",
        ErrorKind::PermissionDenied => {
            "give it a port of 1024 or above, or the process the right to this one"
        }
        _ => "give the admin listener another address",
    }
}
