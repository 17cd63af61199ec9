//! What all checks say, at one moment, for whoever shows or passes it on.

use std::{borrow::Cow, time::Duration};

use crate::{
    class::{Class, Status},
    probe::Probe,
};

/// Everything that is known of a process' health at one moment. Every age is counted back from then.
///
/// A copy: who keeps it keeps nothing else waiting.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// What [`Health::version`](crate::Health::version) was, or something older.
    pub version: u64,
    /// What `/livez` says.
    pub liveness: Status,
    /// What `/readyz` says.
    pub readiness: Status,
    /// What `/startupz` says.
    pub startup: Status,
    /// The checks, in the order in which they were added.
    pub checks: Vec<CheckSnapshot>,
    /// The latches, also those that were released, in the order in which they were added.
    pub latches: Vec<LatchSnapshot>,
}

/// What is known of one check.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckSnapshot {
    /// Its name.
    pub name: String,
    /// The probe that asks it.
    pub probe: Probe,
    /// What its failure does to that.
    pub class: Class,
    /// What it says. It is up where that is [`Pass`](Status::Pass), and down otherwise.
    pub status: Status,
    /// Why it is down or, where it is up, why its last run failed: an error's text, `pending`, `timeout`, `panicked` or
    /// `stuck for …`. Printable ASCII of 256 bytes at most.
    pub reason: Option<Cow<'static, str>>,
    /// Since when it is up, or down.
    pub state_age: Duration,
    /// How long ago its last run ended. None before the first has.
    pub finding_age: Option<Duration>,
    /// How long that run took.
    pub last_duration: Option<Duration>,
    /// How long the present run has been running, if one is.
    pub running_for: Option<Duration>,
    /// How long a result has been awaited, if that is longer than any run may take.
    pub stuck_for: Option<Duration>,
    /// How many results in a row contradict the present state; it flips when these are as many as its threshold.
    pub contradictions: u32,
    /// How many runs have ended.
    pub runs: u64,
    /// How many of them failed, for whatever reason.
    pub failures: u64,
    /// How many of those for taking too long.
    pub timeouts: u64,
    /// How often it went up or down.
    pub flips: u64,
    /// The latest runs, 32 at most, the oldest first.
    pub history: Vec<Run>,
}

impl CheckSnapshot {
    /// Whether it is up.
    pub fn is_up(&self) -> bool {
        self.status == Status::Pass
    }
}

/// One run of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Run {
    /// How long ago it ended.
    pub age: Duration,
    /// How long it took.
    pub took: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// All was well.
    Passed,
    /// It said that something was not.
    Failed,
    /// It had not ended when its time was over.
    TimedOut,
    /// It panicked.
    Panicked,
}

impl Outcome {
    /// `passed`, `failed`, `timeout` or `panicked`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timeout",
            Self::Panicked => "panicked",
        }
    }
}

/// What is known of one latch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LatchSnapshot {
    /// Its name.
    pub name: String,
    /// Whether it is done.
    pub state: LatchState,
    /// How long it has been held or, when it no longer is, was.
    pub held_for: Duration,
}

/// Whether a latch's work is done. There will be no fourth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatchState {
    /// It is being done.
    Held,
    /// It is done.
    Released,
    /// It never will be.
    Abandoned,
}

impl LatchState {
    /// `held`, `released` or `abandoned`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Released => "released",
            Self::Abandoned => "abandoned",
        }
    }
}
