//! Why nothing can be exported.

use std::{fmt, io};

/// Why nothing can be exported: one sentence for a person, with the cure in it.
///
/// Its `Debug` is that sentence too. What a variable says is told only where that cannot be a secret.
#[non_exhaustive]
#[derive(thiserror::Error)]
pub enum OtlpError {
    /// An environment variable says what this build does not do.
    #[error("`{variable}` {problem}; {cure}")]
    Variable {
        /// Its name.
        variable: String,
        /// What is wrong with what it says.
        problem: String,
        /// What to do about it.
        cure: String,
    },
    /// The system gives no thread.
    #[error("cannot start the thread that exports telemetry: {0}")]
    Thread(#[source] io::Error),
}

impl OtlpError {
    pub(super) fn variable(
        variable: impl Into<String>,
        problem: impl Into<String>,
        cure: impl Into<String>,
    ) -> Self {
        Self::Variable { variable: variable.into(), problem: problem.into(), cure: cure.into() }
    }
}

impl fmt::Debug for OtlpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
