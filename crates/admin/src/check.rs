//! What is known of each check, and of each latch.

use macadam_health::{CheckSnapshot, LatchSnapshot};
use serde::Serialize;

use crate::{history::millis, status::whole_millis};

/// What is known of one check.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    /// The probe that asks it.
    pub(crate) probe: &'static str,
    pub(crate) class: &'static str,
    pub(crate) status: &'static str,
    pub(crate) reason: Option<String>,
    /// Since when it is up, or down.
    pub(crate) state_age_ms: u64,
    /// How long ago its last run ended.
    pub(crate) finding_age_ms: Option<u64>,
    /// How long that took.
    pub(crate) last_ms: Option<f64>,
    /// How long the present run has been running.
    pub(crate) running_ms: Option<u64>,
    /// How long a result has been awaited, if that is longer than any run may take.
    pub(crate) stuck_ms: Option<u64>,
    pub(crate) runs: u64,
    pub(crate) failures: u64,
    /// The latest runs, the oldest first.
    pub(crate) history: Vec<Run>,
}

/// A run that is over.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    pub(crate) outcome: &'static str,
    pub(crate) took_ms: f64,
    /// How long ago it ended.
    pub(crate) ago_ms: u64,
}

/// What keeps the process from having started, or did.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latch {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) held_ms: u64,
}

impl From<&CheckSnapshot> for Check {
    fn from(seen: &CheckSnapshot) -> Self {
        let run = |run: &macadam_health::Run| Run {
            outcome: run.outcome.as_str(),
            took_ms: millis(&run.took),
            ago_ms: whole_millis(run.age),
        };
        Self {
            name: seen.name.clone(),
            probe: seen.probe.as_str(),
            class: seen.class.as_str(),
            status: seen.status.as_str(),
            reason: seen.reason.as_deref().map(str::to_owned),
            state_age_ms: whole_millis(seen.state_age),
            finding_age_ms: seen.finding_age.map(whole_millis),
            last_ms: seen.last_duration.as_ref().map(millis),
            running_ms: seen.running_for.map(whole_millis),
            stuck_ms: seen.stuck_for.map(whole_millis),
            runs: seen.runs,
            failures: seen.failures,
            history: seen.history.iter().map(run).collect(),
        }
    }
}

impl From<&LatchSnapshot> for Latch {
    fn from(seen: &LatchSnapshot) -> Self {
        Self { name: seen.name.clone(), state: seen.state.as_str(), held_ms: whole_millis(seen.held_for) }
    }
}
