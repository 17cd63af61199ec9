//! What a layer was told, and the gate that all of its services stand at.

use std::{ops::RangeInclusive, sync::Arc};

use http::{Request, StatusCode};
use macadam_core::{Render, RequestContext};
use tokio::time::{Duration, Instant};

use crate::{
    errand,
    gate::{Gate, Rehearsal},
    judge::Judge,
    mode::Switch,
    narrator::Narrator,
    permit::{Admission, Permit},
    pulse::Pulse,
    queue::Claim,
    reason::Reason,
    refusal::Tally,
};

#[derive(Clone)]
pub(crate) struct Policy {
    pub(crate) gate: Arc<Gate>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) mode: Arc<Switch>,
    pub(crate) narrator: Arc<Narrator>,
    /// `None` where nothing moves by itself.
    pub(crate) pulse: Option<Arc<Pulse>>,
    pub(crate) judge: Judge,
    pub(crate) queue: u16,
    pub(crate) max_wait: Duration,
    /// `None` to go by the drain estimate.
    pub(crate) retry_after: Option<RangeInclusive<u32>>,
    pub(crate) statuses: Statuses,
    pub(crate) renderer: Option<Arc<dyn Render>>,
}

/// What a client is told with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Statuses {
    pub(crate) overload: StatusCode,
    pub(crate) tenant: StatusCode,
}

impl Policy {
    /// Asks for what a request needs to run.
    // The service is generic, and so compiled in somebody else's crate, into which nothing is inlined unasked.
    #[inline]
    pub(crate) fn ask(&self, claim: Claim) -> Admission {
        let admission = match self.lets_in(claim) {
            Ok(()) => Admission::ask(&self.gate, claim, self.queue),
            Err(reason) => Admission::Refused(reason),
        };
        self.pulse.as_ref().map(errand::see_to);
        admission
    }

    #[inline]
    fn lets_in(&self, claim: Claim) -> Result<(), Reason> {
        self.pulse.as_ref().map_or(Ok(()), |pulse| pulse.lets_in(claim))
    }

    /// Whether a request that waits would be answered after its deadline, at the best.
    pub(crate) fn dooms(&self, context: Option<&RequestContext>) -> bool {
        let Some(context) = context.filter(|context| context.deadline().is_some()) else { return false };
        let least_time = self.pulse.as_ref().map(|pulse| pulse.least_time(self.gate.look().waiting()));
        context.is_expired(Instant::now() + least_time.unwrap_or_default())
    }

    /// Counts what would have become of a request, and admits it.
    pub(crate) fn rehearse<B>(&self, claim: Claim, request: &Request<B>) -> Permit {
        let refused = match self.rehearsed(claim) {
            Ok(Rehearsal::Admitted) => return Permit::of(&self.gate, claim),
            Ok(Rehearsal::Waited) => {
                let permit = Permit::of(&self.gate, claim);
                let context = RequestContext::get(request);
                if !context.is_some_and(|context| context.is_expired(Instant::now())) {
                    return permit;
                }
                Reason::Deadline
            }
            Ok(Rehearsal::Refused(reason)) | Err(reason) => reason,
        };
        self.count(refused);
        Permit::nothing()
    }

    /// Counts a refusal, and returns a number that no one can foresee.
    pub(crate) fn count(&self, reason: Reason) -> u64 {
        let random = self.tally.count(reason);
        self.narrator.hear();
        random
    }

    fn rehearsed(&self, claim: Claim) -> Result<Rehearsal, Reason> {
        let rehearsed = self.lets_in(claim).map(|()| self.gate.rehearse(claim, self.queue));
        self.pulse.as_ref().map(errand::see_to);
        rehearsed
    }

    /// When a wait that begins now is over; `None` where that is beyond what an instant can say.
    pub(crate) fn patience(&self) -> Option<Instant> {
        Instant::now().checked_add(self.max_wait)
    }

    /// The range from which a `Retry-After` is drawn.
    pub(crate) fn retry_after(&self) -> RangeInclusive<u32> {
        match (&self.retry_after, &self.pulse) {
            (Some(range), _) => range.clone(),
            (None, Some(pulse)) => 1..=pulse.drain_secs(),
            (None, None) => 1..=3,
        }
    }
}
