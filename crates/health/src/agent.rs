//! What HAProxy's agent-check is told.

use crate::{class::Status, health::Health, probe::Probe};

impl Health {
    /// The line that an agent answers HAProxy's `agent-check` with (its configuration manual, section 5.2): a word for
    /// what the server can do, one for what it should get, and, where something fails, what.
    ///
    /// | readiness | line |
    /// |---|---|
    /// | passes | `up ready` |
    /// | fails for the shutdown alone | `up drain`: what sticks to the server may still come, new clients go elsewhere |
    /// | fails otherwise | `down ready #readyz failed: postgres` |
    ///
    /// The reasons of failures are not told. `ready` takes back a drain of an earlier process at the same address, and
    /// also one that an operator asked HAProxy for: for that, its agent has to be disabled first.
    ///
    /// Whoever is told to drain has noticed the shutdown, which is [noted](macadam_core::PhaseWatch::note_probe).
    pub fn agent_line(&self) -> String {
        let leaving = self.reach().is_leaving();
        if leaving {
            self.reach().note_probe();
        }
        let admin = if leaving { "drain" } else { "ready" };
        let failing = self.lines(Probe::Readiness).filter(|line| line.status() == Status::Fail);
        let failing: Vec<_> =
            failing.filter(|line| !line.tells_of_shutdown()).map(|line| line.name).collect();
        if failing.is_empty() {
            format!("up {admin}\n")
        } else {
            format!("down {admin} #readyz failed: {}\n", failing.join(", "))
        }
    }
}
