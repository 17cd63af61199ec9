//! Why a body was ended.

use std::{error::Error, fmt};

use tokio::time::Duration;

/// A body's time was over before its end.
///
/// It is the error with which the body fails, at the end of the `source` chain of whatever wraps that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Elapsed {
    /// The deadline passed before the response's body had ended.
    ResponseDeadline,
    /// The service produced nothing of the response's body for so long, while it was asked to.
    ResponseIdle(Duration),
    /// The client sent nothing of the request's body for so long, while the service waited for it.
    RequestIdle(Duration),
    /// The client sent the request's body more slowly than it may.
    RequestRate,
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResponseDeadline => f.write_str("the deadline passed before the response had ended"),
            Self::ResponseIdle(idle) => write!(f, "the response's body was silent for {idle:?}"),
            Self::RequestIdle(idle) => {
                write!(f, "the client sent nothing of the request's body for {idle:?}")
            }
            Self::RequestRate => f.write_str("the client sends the request's body too slowly"),
        }
    }
}

impl Error for Elapsed {}
