//! Why a shutdown began.

use std::{borrow::Cow, fmt};

/// Why a shutdown began. The first reason stays.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// The process got this signal.
    Signal(&'static str),
    /// The service's own code [asked](crate::ShutdownHandle::trigger) for it.
    Trigger(Cow<'static, str>),
    /// The server's future ended without being asked.
    ServerEnded,
    /// The server's future ended with an error, or could not be started.
    ServerFailed,
    /// The future of [`Shutdown::run`](crate::Shutdown::run) was dropped.
    Abandoned,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signal(name) => f.write_str(name),
            Self::Trigger(why) => f.write_str(why),
            Self::ServerEnded => f.write_str("the server ended"),
            Self::ServerFailed => f.write_str("the server failed"),
            Self::Abandoned => f.write_str("the server was dropped"),
        }
    }
}
