//! One line a second on what is refused.

use std::sync::Arc;

use tokio::time::{Duration, sleep};
use tracing::level_filters::LevelFilter;

use crate::{
    errand::{self, Errand, State},
    gate::Gate,
    mode::{Mode, Switch},
    reason::Reason,
    refusal::{Counts, Tally},
    sync::{Mutex, lock},
};

/// Tells how many were refused since it last did, and what the gate looks like.
///
/// It is a task, and not whoever is refused: that one would read the clock for it, and the line would bear the id of one
/// request that has no more to do with it than a thousand others.
pub(crate) struct Narrator {
    gate: Arc<Gate>,
    tally: Arc<Tally>,
    mode: Arc<Switch>,
    state: State,
    /// What was counted when it last spoke. Locked by its task alone.
    told: Mutex<Counts>,
}

impl Narrator {
    pub(crate) fn new(gate: Arc<Gate>, tally: Arc<Tally>, mode: Arc<Switch>) -> Self {
        Self { gate, tally, mode, state: State::default(), told: Mutex::default() }
    }

    /// Hears that somebody was refused. One that comes as the task ends may be told of with the next.
    pub(crate) fn hear(self: &Arc<Self>) {
        // Where nobody listens, there is no task either.
        if self.state.is_idle() && LevelFilter::current() >= LevelFilter::WARN {
            errand::see_to(self);
        }
    }

    fn tell(&self) {
        let now = self.tally.counts();
        let told = std::mem::replace(&mut *lock(&self.told), now);
        let since = |reason| now[reason as usize] - told[reason as usize];
        // A field without a value is none: the line says what happened, and not what did not.
        let only = |reason| Some(since(reason)).filter(|refused| *refused > 0);
        let refused: u64 = Reason::ALL.map(since).iter().sum();
        let gate = self.gate.look();
        macro_rules! line {
            ($message:literal) => {
                tracing::warn!(
                    target: "macadam_load_shed",
                    refused,
                    reason.queue_full = only(Reason::QueueFull),
                    reason.queue_wait = only(Reason::QueueWait),
                    reason.deadline = only(Reason::Deadline),
                    reason.criticality = only(Reason::Criticality),
                    reason.tenant = only(Reason::Tenant),
                    reason.lag = only(Reason::Lag),
                    reason.pressure = only(Reason::Pressure),
                    limit = gate.limit(),
                    in_flight = gate.in_flight(),
                    queued = gate.waiting(),
                    $message
                )
            };
        }
        match self.mode.get() {
            Mode::DryRun => line!("would shed"),
            _ => line!("shedding"),
        }
    }
}

impl Errand for Narrator {
    fn state(&self) -> &State {
        &self.state
    }

    async fn run(&self) {
        while self.is_needed() {
            self.tell();
            sleep(SILENCE).await;
        }
    }

    fn is_needed(&self) -> bool {
        *lock(&self.told) != self.tally.counts()
    }
}

/// From a line to the next, at the least.
const SILENCE: Duration = Duration::from_secs(1);
