//! What a check's failure does to its probe.

use std::time::Duration;

/// What it means that a check is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Class {
    /// The probe fails.
    Critical,
    /// It is reported, and the probe passes all the same: the service does less, and does it.
    Degrading,
    /// It is one that all instances share, so that failing the probe would take all of them out at once and make an
    /// outage of a part one of the whole. It is reported as degrading.
    Shared {
        /// How long it has to be down, from its flip on, until the probe fails after all. Never, where there is none.
        fails_after: Option<Duration>,
    },
}

impl Class {
    /// The word for it in labels and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Degrading => "degrading",
            Self::Shared { .. } => "shared",
        }
    }
}

/// What a check, or a probe, says: the three words of `application/health+json`.
///
/// The order is from good to bad, and a probe is as bad as the worst of its checks. There will be no fourth: whoever
/// maps it onto another protocol can map all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All is well.
    Pass,
    /// Something is down that does not fail the probe.
    Warn,
    /// The probe fails.
    Fail,
}

impl Status {
    /// `pass`, `warn` or `fail`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}
