//! What a rule says when it is broken.

use std::fmt;

/// Where, what, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Finding {
    path: String,
    line: Option<usize>,
    problem: String,
    cure: String,
}

impl Finding {
    pub(super) fn new(path: impl Into<String>, problem: impl Into<String>, cure: impl Into<String>) -> Self {
        Self { path: path.into(), line: None, problem: problem.into(), cure: cure.into() }
    }

    /// The line it is about, counted from 1.
    pub(super) fn line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; cure: {}", self.problem, self.cure)
    }
}
