//! The parts of the proof: each some rows of a table.

mod anew;
mod behind;
mod overlapped;
mod prompt;
mod race;
mod trial;

use std::time::Duration;

use clap::ValueEnum;

use crate::{
    instance::{Arm, Follow, Service},
    table::Row,
};

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Part {
    /// Restarts that overlap on one port, seen by clients that keep their connections
    Overlapped,
    /// Rolling restarts behind HAProxy and nginx
    Behind,
    /// A request on an idle connection at the very moment of the signal
    Race,
    /// New connections while a listener changes hands
    Anew,
    /// How soon it is over when there is nothing left to do
    Prompt,
}

/// How much of it.
pub(crate) struct Plan {
    /// Restarts in each row.
    pub(crate) restarts: usize,
    /// Requests a second.
    pub(crate) rate: f64,
    /// How many are kept.
    pub(crate) connections: usize,
    pub(crate) seed: u64,
    /// Less of everything, and nothing is demanded of the control: it shows that all works, and not how well.
    pub(crate) is_quick: bool,
    /// Whether the service may refuse requests when it has too much to do.
    pub(crate) sheds: bool,
    /// Whether the control runs too.
    pub(crate) control: bool,
    /// How ours follow each other where they overlap.
    pub(crate) overlap: Follow,
    /// The most that the generator may be late, at the 99th percentile.
    pub(crate) max_lag: Duration,
}

impl Part {
    /// As many as it takes, unless told otherwise.
    pub(crate) fn restarts(self) -> usize {
        if matches!(self, Self::Overlapped) { 60 } else { 100 }
    }

    pub(crate) fn run(self, plan: &Plan, add: &mut dyn FnMut(Row)) {
        match self {
            Self::Overlapped => overlapped::run(plan, add),
            Self::Behind => behind::run(plan, add),
            Self::Race => race::run(plan, add),
            Self::Anew => anew::run(plan, add),
            Self::Prompt => prompt::run(plan, add),
        }
    }
}

impl Plan {
    fn service(&self, arm: Arm, follow: Follow, lame_duck: Duration) -> Service {
        Service { arm, follow, lame_duck, sheds: self.sheds, on_drain: "fail" }
    }
}

/// As little as lets clients leave by themselves.
const LAME_DUCK: Duration = Duration::from_secs(1);
