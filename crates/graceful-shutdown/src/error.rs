//! Phases that do not fit.

use std::{borrow::Cow, error::Error, fmt, time::Duration};

/// The phases of a shutdown, one after the other, are longer than its budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    // Boxed, so that a `Result` of it stays small.
    overrun: Box<Overrun>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Overrun {
    pub(crate) lame_duck: Duration,
    pub(crate) drain: Duration,
    pub(crate) closing: Duration,
    pub(crate) hooks: Vec<(Cow<'static, str>, Duration)>,
    pub(crate) exit: Duration,
    pub(crate) needed: Duration,
    pub(crate) budget: Duration,
}

impl ConfigError {
    pub(crate) fn new(overrun: Overrun) -> Self {
        Self { overrun: Box::new(overrun) }
    }

    /// How long the phases take together, at the most.
    pub fn needed(&self) -> Duration {
        self.overrun.needed
    }

    /// The budget that they do not fit into.
    pub fn budget(&self) -> Duration {
        self.overrun.budget
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Overrun { lame_duck, drain, closing, hooks, exit, needed, budget } = &*self.overrun;
        write!(f, "the shutdown may take {needed:?}, its budget is {budget:?}: ")?;
        write!(f, "lame_duck {lame_duck:?} + drain {drain:?} + closing {closing:?}")?;
        hooks.iter().try_for_each(|(name, limit)| write!(f, " + hook `{name}` {limit:?}"))?;
        let over = needed.saturating_sub(*budget);
        write!(
            f,
            " + exit {exit:?}. Shorten `lame_duck`, `drain` or a hook's limit by {over:?}, or raise `budget` to "
        )?;
        write!(f, "{needed:?} and the grace period of whoever sends the signal above that")
    }
}

impl Error for ConfigError {}
