//! The line that is written of a request when it is over.

use std::time::Duration;

use http::StatusCode;
use macadam_core::Outcome;
use tracing::{Level, Span};

use crate::metrics::ErrorType;

/// At which level the access event is written.
///
/// A request that failed has no other: who watches for errors has the metrics, whoever failed has said why by itself, and
/// `error.type` finds the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Access {
    /// There is none.
    Off,
    /// All are at `debug`.
    Debug,
    /// They are at `info`, but at `debug` for a request that was shed.
    #[default]
    Info,
}

/// What there is to say.
pub(crate) struct Ended {
    pub(crate) status: Option<StatusCode>,
    pub(crate) outcome: Outcome,
    pub(crate) error: Option<ErrorType>,
    pub(crate) took: Duration,
}

impl Access {
    pub(crate) fn write(self, span: &Span, ended: &Ended) {
        let error =
            ended.error.and_then(|error| error.as_str().or(ended.status.as_ref().map(StatusCode::as_str)));
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: "macadam::access",
                    // To enter it for this would cost a subscriber as much again.
                    parent: span,
                    $level,
                    http.response.status_code = ended.status.map(|status| i64::from(status.as_u16())),
                    error.type = error,
                    macadam.outcome = ended.outcome.as_str(),
                    duration_seconds = ended.took.as_secs_f64(),
                    "request ended",
                )
            };
        }
        match self {
            Self::Off => {}
            // Who refuses says how many, once in a while: a line for each would be an overload of its own.
            Self::Info if ended.outcome != Outcome::Shed => line!(Level::INFO),
            Self::Info | Self::Debug => line!(Level::DEBUG),
        }
    }
}
