//! Why a request's body failed.

use std::fmt;

use tokio::time::Duration;

/// Why a request's body failed.
#[derive(Debug)]
pub struct BodyError {
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Idle(Duration),
    TooSlow,
    Transport(hyper::Error),
}

/// What a [`BodyError`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyErrorKind {
    /// The client sent nothing of it for too long.
    Idle,
    /// The client sent it more slowly than the least rate.
    TooSlow,
    /// The connection or the stream failed, or its bytes make no sense.
    Transport,
}

impl BodyErrorKind {
    /// The word for it in the problem that says 408.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "request-idle",
            Self::TooSlow => "request-rate",
            Self::Transport => "transport",
        }
    }
}

impl BodyError {
    pub(crate) fn idle(waited: Duration) -> Self {
        Self { cause: Cause::Idle(waited) }
    }

    pub(crate) fn too_slow() -> Self {
        Self { cause: Cause::TooSlow }
    }

    pub(crate) fn transport(error: hyper::Error) -> Self {
        Self { cause: Cause::Transport(error) }
    }

    /// What it is about.
    pub fn kind(&self) -> BodyErrorKind {
        match self.cause {
            Cause::Idle(_) => BodyErrorKind::Idle,
            Cause::TooSlow => BodyErrorKind::TooSlow,
            Cause::Transport(_) => BodyErrorKind::Transport,
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Idle(waited) => write!(f, "the client sent nothing of the request's body for {waited:?}"),
            Cause::TooSlow => f.write_str("the client sent the request's body too slowly"),
            Cause::Transport(_) => f.write_str("the request's body could not be read from the connection"),
        }
    }
}

impl std::error::Error for BodyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Idle(_) | Cause::TooSlow => None,
            Cause::Transport(error) => Some(error),
        }
    }
}
