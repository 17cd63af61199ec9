//! Why a request is refused, how often that was so, and what its client is told.

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use http::{Request, Response};
use macadam_core::{Kind, Outcome, Rejection, RequestContext, ResponseBody, Wire};

use crate::policy::Policy;

/// Why a request was, or in a dry run would have been, refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    QueueFull,
    /// It was in the queue for as long as anybody is.
    QueueWait,
    Deadline,
}

impl Reason {
    pub(crate) const ALL: [Self; 3] = [Self::QueueFull, Self::QueueWait, Self::Deadline];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue-full",
            Self::QueueWait => "queue-wait",
            Self::Deadline => "deadline",
        }
    }
}

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
}

/// What is remembered of a request's head while the request itself is away.
pub(crate) struct Head {
    pub(crate) wire: Wire,
    pub(crate) context: Option<RequestContext>,
}

impl Head {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let context = RequestContext::get(request).cloned();
        let wire = context.as_ref().map_or_else(|| Wire::of(request), |context| context.wire().clone());
        Self { wire, context }
    }
}

/// A request that was refused, before it is answered.
pub(crate) struct Refusal {
    rejection: Rejection,
    head: Head,
    policy: Arc<Policy>,
}

impl Refusal {
    /// Refuses a request, and counts it.
    pub(crate) fn new(reason: Reason, head: Head, policy: Arc<Policy>) -> Self {
        let random = policy.tally.count(reason);
        let rejection = match reason {
            Reason::QueueFull | Reason::QueueWait => {
                let (least, most) = policy.retry_after.clone().into_inner();
                let spread = u64::from(most - least) + 1;
                Rejection::new(Kind::Overloaded).retry_after_secs(least + (random % spread) as u32)
            }
            Reason::Deadline => Rejection::new(Kind::Deadline),
        };
        if let Some(context) = &head.context {
            context.settle(Outcome::Shed);
        }
        Self { rejection, head, policy }
    }

    pub(crate) fn into_response<B>(self) -> Response<ResponseBody<B>> {
        let Self { rejection, head, policy } = self;
        rejection.into_response(&head.wire, head.context.as_ref(), policy.renderer.as_deref())
    }
}

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), entered at its `nth` state.
fn scatter(seed: u64, nth: u64) -> u64 {
    let mut z = seed.wrapping_add((nth.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
