//! What became of the requests that are over.
//!
//! The counterpart of the table of those that are not. Whoever sees every request's end writes it down here, and whoever
//! watches the process reads it, without a lock that any request waits for. It is sharded by thread, and nothing is
//! allocated for a request, but the room for the first few that are worth a line.

mod durations;
mod noted;

use std::{fmt, time::Duration};

use http::StatusCode;

use self::{durations::Buckets, noted::Notes};
pub use self::{durations::Durations, noted::Noted};
use crate::{
    context::{Outcome, RequestContext},
    sharded::Sharded,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// How many requests ended in which way, how long they took, and the last ones that were slow or failed. Cheap to clone;
/// clones are one.
///
/// ```
/// use http::{Request, StatusCode};
/// use macadam_core::{Outcome, Outcomes, RequestContext};
///
/// let outcomes = Outcomes::new();
/// let context = RequestContext::of(&mut Request::new(()));
/// context.settle(Outcome::Finished);
/// outcomes.end(&context, Some(StatusCode::INTERNAL_SERVER_ERROR), false);
/// assert_eq!(outcomes.count(Outcome::Finished), 1);
/// assert_eq!(outcomes.durations().count(), 1);
/// assert_eq!(outcomes.noted()[0].status, Some(StatusCode::INTERNAL_SERVER_ERROR));
/// ```
#[derive(Clone)]
pub struct Outcomes {
    shards: Sharded<Shard>,
}

struct Shard {
    counts: [AtomicU64; Outcome::ALL.len()],
    failed: AtomicU64,
    durations: Buckets,
    notes: Notes,
}

impl Outcomes {
    /// Nothing has ended yet.
    #[expect(
        clippy::new_without_default,
        reason = "what is counted is shared by name, never made in passing"
    )]
    pub fn new() -> Self {
        let shard = || Shard {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            failed: AtomicU64::new(0),
            durations: Buckets::new(),
            notes: Notes::new(),
        };
        Self { shards: Sharded::new(shard) }
    }

    /// A request is over, as its context says. `status` is that of its answer, where it had one, and `streams`
    /// whether that went on for as long as its client liked.
    ///
    /// Returns how long the request took, from its arrival: the one look at the clock that it needs.
    pub fn end(&self, context: &RequestContext, status: Option<StatusCode>, streams: bool) -> Duration {
        let took = context.arrival().elapsed();
        self.end_after(context, status, streams, took);
        took
    }

    /// The same of a request that took as long, for who has looked at the clock already.
    #[inline]
    pub fn end_after(
        &self,
        context: &RequestContext,
        status: Option<StatusCode>,
        streams: bool,
        took: Duration,
    ) {
        let outcome = context.outcome();
        let shard = self.shards.mine();
        shard.add(&shard.counts[outcome as usize], 1);
        if outcome != Outcome::Shed && !streams {
            shard.add(shard.durations.of(took), 1);
        }
        let failed = has_failed(outcome, status);
        if failed {
            shard.add(&shard.failed, 1);
        }
        let slow = took >= SLOW && !streams && outcome != Outcome::Shed;
        if failed || slow {
            shard.notes.add(Noted::of(context, status, took));
        }
    }

    /// How many ended in this way so far.
    pub fn count(&self, outcome: Outcome) -> u64 {
        self.shards.iter().map(|shard| shard.counts[outcome as usize].load(Relaxed)).sum()
    }

    /// How many failed so far: with an error, a 5xx, a panic, at their deadline or by the shutdown.
    ///
    /// One that was shed is no failure; there may be thousands in a second.
    pub fn failed(&self) -> u64 {
        self.shards.iter().map(|shard| shard.failed.load(Relaxed)).sum()
    }

    /// How long those took that were not shed, each from its arrival to its end. Event streams, which go on for as long as
    /// their client likes, are not among them.
    pub fn durations(&self) -> Durations {
        let mut durations = Durations::none();
        self.shards.iter().for_each(|shard| shard.durations.add_to(&mut durations));
        durations
    }

    /// The last ones that took 1 s or more, or [failed](Self::failed). The latest stands first. Of each thread the last 32
    /// are kept.
    ///
    /// One that ends while this reads on its thread may be missing: no request waits for a reader.
    pub fn noted(&self) -> Vec<Noted> {
        let mut noted = Vec::new();
        self.shards.iter().for_each(|shard| shard.notes.copy_to(&mut noted));
        noted.sort_unstable_by_key(|noted| std::cmp::Reverse(noted.ended));
        noted
    }
}

#[inline]
fn has_failed(outcome: Outcome, status: Option<StatusCode>) -> bool {
    match outcome {
        Outcome::Shed => false,
        Outcome::Failed | Outcome::TimedOut | Outcome::CutByShutdown | Outcome::Panicked => true,
        _ => status.is_some_and(|status| status.is_server_error()),
    }
}

impl fmt::Debug for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = Outcome::ALL.iter().map(|outcome| (outcome, self.count(*outcome)));
        f.debug_map().entries(counts).finish()
    }
}

/// Up to here, says Nielsen, a person who waits keeps the thread.
const SLOW: Duration = Duration::from_secs(1);
