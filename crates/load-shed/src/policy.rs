//! What a layer was told, and the gate that all of its services stand at.

use std::{ops::RangeInclusive, sync::Arc};

use http::{Request, request};
use macadam_core::{Render, RequestContext};
use tokio::time::{Duration, Instant};

use crate::{
    gate::{Gate, Rehearsal},
    permit::Permit,
    refusal::{Reason, Tally},
};

/// Whether a layer refuses, only says what it would refuse, or does nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Mode {
    /// Refuses what there is no room for.
    #[default]
    Enforce,
    /// Refuses nothing and delays nothing, and counts what it would have refused.
    ///
    /// What would have waited runs at once, and is in flight over the limit, by as much as the queue has places; so
    /// [`in_flight`](crate::LoadShedHandle::in_flight) may be higher than the limit, and nothing is queued. Beyond
    /// that a request counts as refused and, as if it had been, not as in flight. What a wait would have cost is
    /// not rehearsed: `deadline` counts those whose deadline had passed when they would have had to wait.
    DryRun,
    /// Decides nothing and counts nothing.
    Off,
}

#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) gate: Arc<Gate>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) mode: Mode,
    pub(crate) queue: u16,
    pub(crate) max_wait: Duration,
    pub(crate) retry_after: RangeInclusive<u32>,
    pub(crate) exempt: Option<Exempt>,
    pub(crate) renderer: Option<Arc<dyn Render>>,
}

pub(crate) type Exempt = Arc<dyn Fn(&request::Parts) -> bool + Send + Sync>;

impl Policy {
    pub(crate) fn exempts<B>(&self, request: Request<B>) -> (bool, Request<B>) {
        let Some(exempt) = &self.exempt else { return (false, request) };
        let (head, body) = request.into_parts();
        (exempt(&head), Request::from_parts(head, body))
    }

    /// Counts what would have become of a request, and admits it.
    pub(crate) fn rehearse<B>(&self, request: &Request<B>) -> Permit {
        let refused = match self.gate.rehearse(self.queue) {
            Rehearsal::Admitted => return Permit::of(&self.gate),
            Rehearsal::Waited => {
                let permit = Permit::of(&self.gate);
                let context = RequestContext::get(request);
                if !context.is_some_and(|context| context.is_expired(Instant::now())) {
                    return permit;
                }
                Reason::Deadline
            }
            Rehearsal::Refused => Reason::QueueFull,
        };
        self.tally.count(refused);
        Permit::nothing()
    }
}
