//! How often a request was refused and why, and what its client is told.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use bytes::Bytes;
use http::{Request, Response};
use macadam_core::{Kind, Outcome, Rejection, RequestContext};

use crate::{policy::Policy, reason::Reason};

/// How many were refused, in the order of [`Reason::ALL`].
pub(crate) type Counts = [u64; Reason::ALL.len()];

/// How many were refused, by reason.
pub(crate) struct Tally {
    counts: [AtomicU64; Reason::ALL.len()],
    /// Different in each process, so that replicas do not send their clients back in step.
    seed: u64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self { counts: Default::default(), seed: RandomState::new().hash_one(()) }
    }

    /// Counts one more, and returns a number that no one can foresee from the last.
    pub(crate) fn count(&self, reason: Reason) -> u64 {
        let nth = self.counts[reason as usize].fetch_add(1, Relaxed);
        scatter(self.seed, nth)
    }

    pub(crate) fn get(&self, reason: Reason) -> u64 {
        self.counts[reason as usize].load(Relaxed)
    }

    pub(crate) fn counts(&self) -> Counts {
        Reason::ALL.map(|reason| self.get(reason))
    }

    /// How many were refused because there were too many of them for the limit.
    pub(crate) fn for_want_of_room(&self) -> u64 {
        use Reason::{Criticality, Deadline, QueueFull, QueueWait, Tenant};
        [QueueFull, QueueWait, Deadline, Criticality, Tenant].map(|reason| self.get(reason)).iter().sum()
    }
}

/// Refuses a request, and counts it.
pub(crate) fn refuse<B>(reason: Reason, request: Request<B>, policy: &Policy) -> Response<Bytes> {
    let random = policy.count(reason);
    let kind = kind_of(reason);
    let status = match kind {
        Kind::OverShare => policy.statuses.tenant,
        _ => policy.statuses.overload,
    };
    let mut rejection = Rejection::new(kind).with_status(status).because(reason.as_str());
    if kind != Kind::Deadline {
        let (least, most) = policy.retry_after().into_inner();
        let spread = u64::from(most - least) + 1;
        rejection = rejection.retry_after_secs(least + (random % spread) as u32);
    }
    if let Some(context) = RequestContext::get(&request) {
        context.settle(Outcome::Shed);
    }
    rejection.answer(request, policy.renderer.as_deref())
}

fn kind_of(reason: Reason) -> Kind {
    match reason {
        Reason::Deadline => Kind::Deadline,
        Reason::Tenant => Kind::OverShare,
        _ => Kind::Overloaded,
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), entered at its `nth` state.
fn scatter(seed: u64, nth: u64) -> u64 {
    let mut z = seed.wrapping_add((nth.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
