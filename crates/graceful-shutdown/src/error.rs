//! What makes a shutdown impossible.

use std::{error::Error, fmt, time::Duration};

/// A shutdown whose phases and hooks do not fit into its budget, or whose hooks cannot be put in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    // Boxed, so that a `Result` of it stays small.
    fault: Box<Fault>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// What may follow each other is longer than the budget.
    Overrun { parts: Vec<(String, Duration)>, needed: Duration, budget: Duration },
    /// A hook is to run after one that there is not.
    NoSuchHook { hook: String, after: String, hooks: Vec<String> },
    /// A hook is to run after one that begins later than it.
    Backwards { hook: String, after: String },
    /// Each of these is to run after the next one, and the last is the first.
    Circle { hooks: Vec<String> },
}

impl From<Fault> for ConfigError {
    fn from(fault: Fault) -> Self {
        Self { fault: Box::new(fault) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.fault {
            Fault::Overrun { parts, needed, budget } => {
                write!(f, "the shutdown may take {needed:?}, its budget is {budget:?}: ")?;
                for (n, (part, time)) in parts.iter().enumerate() {
                    write!(f, "{}{part} {time:?}", if n == 0 { "" } else { " + " })?;
                }
                let over = needed.saturating_sub(*budget);
                write!(
                    f,
                    ". Shorten `lame_duck`, `drain` or a hook's limit by {over:?}, or raise `budget` to "
                )?;
                write!(f, "{needed:?} and the grace period of whoever sends the signal above that")
            }
            Fault::NoSuchHook { hook, after, hooks } => {
                write!(f, "hook `{hook}` is to run after `{after}`, and no hook has that name. There are ")?;
                list(f, hooks, ", ")
            }
            Fault::Backwards { hook, after } => {
                write!(f, "hook `{hook}` is to run after `{after}`, which begins later: ")?;
                write!(f, "let `{hook}` begin as late, or not wait for it")
            }
            Fault::Circle { hooks } => {
                f.write_str("hooks wait for each other: ")?;
                list(f, hooks, " after ")?;
                f.write_str(". Leave one `after` out")
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, names: &[String], between: &str) -> fmt::Result {
    names
        .iter()
        .enumerate()
        .try_for_each(|(n, name)| write!(f, "{}`{name}`", if n == 0 { "" } else { between }))
}

impl Error for ConfigError {}
