//! The ways to lose a server.

use std::fmt;

use crate::{Result, gate::Gate, server::Server};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outage {
    /// It is told to stop, and does.
    Stopped,
    /// SIGKILL: nobody says goodbye.
    Killed,
    /// SIGSTOP: it is there, accepts, and does nothing.
    Frozen,
    /// The network swallows everything, in the middle of connections and for new ones.
    CutOff,
    /// Connections are cut, and new ones refused.
    Refused,
}

impl Outage {
    pub(crate) const ALL: [Self; 5] =
        [Self::Stopped, Self::Killed, Self::Frozen, Self::CutOff, Self::Refused];

    pub(crate) async fn begin(self, server: &mut Server, gate: &mut Gate) -> Result {
        match self {
            Self::Stopped => server.stop().await?,
            Self::Killed => server.kill()?,
            Self::Frozen => server.freeze()?,
            Self::CutOff => gate.hold(),
            Self::Refused => gate.close().await,
        }
        Ok(())
    }

    /// The server answers again when it returns.
    pub(crate) async fn end(self, server: &mut Server, gate: &mut Gate) -> Result {
        match self {
            Self::Stopped | Self::Killed => server.restart().await?,
            Self::Frozen => server.thaw()?,
            Self::CutOff => gate.release(),
            Self::Refused => gate.reopen().await?,
        }
        Ok(())
    }

    /// Whether nothing is heard of the server: each run of a check takes all its time, and says `timeout`.
    pub(crate) fn is_silent(self) -> bool {
        matches!(self, Self::Frozen | Self::CutOff)
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "is stopped",
            Self::Killed => "is killed",
            Self::Frozen => "is frozen",
            Self::CutOff => "is cut off",
            Self::Refused => "is refused",
        })
    }
}
