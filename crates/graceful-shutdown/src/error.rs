//! What makes a shutdown impossible.

use std::{error::Error, fmt, time::Duration};

/// A shutdown whose phases and hooks do not fit into its budget, or whose hooks cannot be put in an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    // Boxed, so that a `Result` of it stays small.
    fault: Box<Fault>,
    /// Where the settings stand.
    table: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// What may follow each other is longer than the budget.
    Overrun { parts: Vec<(Part, Duration)>, needed: Duration, budget: Duration },
    /// A hook is to run after one that there is not.
    NoSuchHook { hook: String, after: String, hooks: Vec<String> },
    /// A hook is to run after one that begins later than it.
    Backwards { hook: String, after: String },
    /// Each of these is to run after the next one, and the last is the first.
    Circle { hooks: Vec<String> },
}

/// What takes its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What the setting of this name says.
    Set(&'static str),
    /// What nobody sets.
    Fixed(&'static str),
    Hook(String),
}

impl ConfigError {
    /// Calls the settings by their keys in this table: `drain` is `shutdown.drain` in `shutdown`.
    #[must_use]
    pub fn of_table(mut self, table: &'static str) -> Self {
        self.table = Some(table);
        self
    }

    fn key(&self, name: &str) -> String {
        self.table.map_or_else(|| name.to_owned(), |table| format!("{table}.{name}"))
    }

    /// Which of these parts might be shorter.
    fn shorter(&self, parts: &[(Part, Duration)]) -> Vec<String> {
        let mut shorter: Vec<_> = parts
            .iter()
            .filter_map(|(part, _)| match part {
                Part::Set(name) => Some(format!("`{}`", self.key(name))),
                Part::Fixed(_) => None,
                Part::Hook(_) => Some("a hook's limit".to_owned()),
            })
            .collect();
        shorter.dedup();
        shorter
    }
}

impl From<Fault> for ConfigError {
    fn from(fault: Fault) -> Self {
        Self { fault: Box::new(fault), table: None }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.fault {
            Fault::Overrun { parts, needed, budget } => {
                write!(f, "the shutdown may take {needed:?}, its budget is {budget:?}: ")?;
                for (n, (part, time)) in parts.iter().enumerate() {
                    f.write_str(if n == 0 { "" } else { " + " })?;
                    match part {
                        Part::Set(name) => write!(f, "{} {time:?}", self.key(name)),
                        Part::Fixed(name) => write!(f, "{name} {time:?}"),
                        Part::Hook(name) => write!(f, "hook `{name}` {time:?}"),
                    }?;
                }
                let over = needed.saturating_sub(*budget);
                match self.shorter(parts).join(" or ") {
                    none if none.is_empty() => f.write_str(". Raise ")?,
                    shorter => write!(f, ". Shorten {shorter} by {over:?}, or raise ")?,
                }
                let budget = self.key("budget");
                write!(
                    f,
                    "`{budget}` to {needed:?} and the grace period of whoever sends the signal above that"
                )
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
