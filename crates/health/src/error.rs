//! What can be wrong with a set of checks.

/// A set of checks that cannot work, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The name cannot stand in a path.
    #[error(
        "the health check {name:?} cannot stand in a path: name it with 1 to 63 ASCII letters, digits, `-`, `_` or `.`"
    )]
    InvalidName {
        /// The name's first 63 characters.
        name: String,
    },
    /// The name belongs to a check that is always there.
    #[error(
        "the health check {name:?} would hide the built-in one: give it another name than `ping`, `starting`, `runtime` and `shutdown`"
    )]
    ReservedName {
        /// The name.
        name: String,
    },
    /// Two checks have one name.
    #[error("two health checks are named {name:?}: give one of them another name")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// The check would run without a pause.
    #[error(
        "the health check {name:?} has an interval of zero and would never pause: set one above zero, such as 5 s"
    )]
    ZeroInterval {
        /// The check's name.
        name: String,
    },
    /// The check could never pass.
    #[error(
        "the health check {name:?} has a timeout of zero and could never pass: set one above zero, such as 1 s"
    )]
    ZeroTimeout {
        /// The check's name.
        name: String,
    },
    /// The check would look less often at what is down.
    #[error(
        "the health check {name:?} has a longer interval while it is down than while it is up: make `interval_while_down` the shorter one"
    )]
    SlowerWhileDown {
        /// The check's name.
        name: String,
    },
    /// The check would flip on no result at all.
    #[error(
        "the health check {name:?} has a threshold of zero and would be up and down at once: set one of at least 1"
    )]
    ZeroThreshold {
        /// The check's name.
        name: String,
    },
    /// The check's jitter is no part of a whole.
    #[error("the health check {name:?} has a jitter that is not from 0 to below 1: set one such as 0.05")]
    Jitter {
        /// The check's name.
        name: String,
    },
    /// The check would restart all instances at once.
    #[error(
        "the health check {name:?} is shared and asked by liveness, which would restart all instances at once: ask it by readiness"
    )]
    SharedLiveness {
        /// The check's name.
        name: String,
    },
    /// The latch belongs to another health.
    #[error("the latch {name:?} is given to a health for the second time: make one latch for each")]
    LatchTaken {
        /// The latch's name.
        name: String,
    },
}
