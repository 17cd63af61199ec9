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
        "the health check {name:?} would hide the built-in one: give it another name than `ping`, `starting` and `shutdown`"
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
}
