//! What readiness says while the process is on its way out.

use std::time::Duration;

use macadam_core::{Phase, PhaseWatch};
use tokio::time::Instant;

/// What readiness says from the lame duck on.
///
/// Whichever it is, from [`Draining`](Phase::Draining) on, when nobody accepts any more, readiness fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum OnDrain {
    /// It fails at once, so that no new traffic is sent.
    #[default]
    Fail,
    /// As that, but over HTTP with 404 where nothing else fails: HAProxy with `http-check disable-on-404` then sends no
    /// new sessions, keeps those that stick, and raises no alarm.
    NotFound,
    /// It passes for so long, from the begin of the lame duck on, and fails then.
    ///
    /// For platforms that take a process out by other means, as Kubernetes does when it ends one: an unready process
    /// is there no fallback when all others are unready too. Nobody notices the shutdown by probes meanwhile, so the
    /// lame duck lasts as long as it may.
    KeepReady(Duration),
}

impl OnDrain {
    /// Whether readiness has to fail in this phase.
    pub(crate) fn fails(self, phase: &PhaseWatch) -> bool {
        match phase.current() {
            current if current < Phase::LameDuck => false,
            Phase::LameDuck if matches!(self, Self::KeepReady(_)) => {
                self.flips_at(phase).is_some_and(|at| Instant::now() >= at)
            }
            _ => true,
        }
    }

    /// When readiness begins to fail by the mere passing of time; `None` also where that is never.
    pub(crate) fn flips_at(self, phase: &PhaseWatch) -> Option<Instant> {
        match self {
            Self::KeepReady(time) => phase.since(Phase::LameDuck)?.checked_add(time),
            Self::Fail | Self::NotFound => None,
        }
    }
}
