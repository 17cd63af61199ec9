//! The layer: one gate, whatever it is put around.

use std::{fmt, ops::RangeInclusive, sync::Arc};

use http::request;
use macadam_core::Render;
use tokio::time::Duration;
use tower_layer::Layer;

use crate::{
    error::ConfigError,
    gate::Gate,
    handle::LoadShedHandle,
    policy::{Mode, Policy},
    refusal::Tally,
    service::LoadShed,
};

/// Limits how many requests are in flight, and refuses what there is no room for.
///
/// The gate is made here, once: clones of a layer, and all services that it makes, share one limit, be they the
/// twenty routes of a router.
#[derive(Clone)]
pub struct LoadShedLayer {
    policy: Arc<Policy>,
}

impl LoadShedLayer {
    /// Admits at most `limit` requests at a time, each from its call until the last frame of its response.
    ///
    /// The limit is a number and not a `NonZeroU32`: it comes from a configuration more often than from a literal,
    /// where a 0 has to be answered with a sentence either way, and so does one that is too large.
    ///
    /// # Errors
    ///
    /// If `limit` is 0 or more than 1,000,000.
    pub fn new(limit: u32) -> Result<Self, ConfigError> {
        let limit = ConfigError::check_limit(limit)?;
        let policy = Policy {
            gate: Arc::new(Gate::new(limit)),
            tally: Arc::new(Tally::new()),
            mode: Mode::Enforce,
            queue: limit.min(DEFAULT_QUEUE) as u16,
            max_wait: DEFAULT_MAX_WAIT,
            retry_after: DEFAULT_RETRY_AFTER,
            exempt: None,
            renderer: None,
        };
        Ok(Self { policy: Arc::new(policy) })
    }

    /// How many requests may wait for a slot; 0 refuses at once what cannot run at once.
    ///
    /// As many as the limit, and 512 at most, unless set. A queue as long as the limit turns over in about one
    /// service time, which is the burst that it is there for. What is longer only makes everybody late.
    #[must_use]
    pub fn queue(mut self, capacity: u16) -> Self {
        self.policy_mut().queue = capacity;
        self
    }

    /// How long a request waits at most, from its call to its admission; less if its deadline is earlier.
    ///
    /// 500 ms unless set: a client that hears of a refusal by then has most of a usual timeout of 3 s left for
    /// another try elsewhere.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.policy_mut().max_wait = max_wait;
        self
    }

    /// The `Retry-After` of a refusal for want of room: whole seconds, each time another of this range, so that
    /// those refused together do not come back together. From 1 to 3 unless set.
    ///
    /// # Errors
    ///
    /// If the range is empty.
    pub fn retry_after(mut self, seconds: RangeInclusive<u32>) -> Result<Self, ConfigError> {
        self.policy_mut().retry_after = ConfigError::check_retry_after(seconds)?;
        Ok(self)
    }

    /// Passes on what `predicate` says yes to: it takes no slot, is never refused and counts nowhere.
    ///
    /// Meant for probes: a process that sheds is alive, and one that is restarted for being busy makes the others
    /// busier. Whatever a client can put into a head by itself lets it around the gate.
    #[must_use]
    pub fn exempt(mut self, predicate: impl Fn(&request::Parts) -> bool + Send + Sync + 'static) -> Self {
        self.policy_mut().exempt = Some(Arc::new(predicate));
        self
    }

    /// Whether it refuses, rehearses or does nothing. [`Mode::Enforce`] unless set.
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.policy_mut().mode = mode;
        self
    }

    /// Replaces the form of its refusals; unless set, it is that of the request's context, or a problem document.
    #[must_use]
    pub fn on_rejection(mut self, renderer: impl Render) -> Self {
        self.policy_mut().renderer = Some(Arc::new(renderer));
        self
    }

    /// The layer, and the handle to watch its gate with and to move its limit.
    #[must_use]
    pub fn pair(self) -> (Self, LoadShedHandle) {
        let handle = LoadShedHandle::new(&self.policy);
        (self, handle)
    }

    /// A layer that was cloned gets options of its own here; the gate stays the same.
    fn policy_mut(&mut self) -> &mut Policy {
        Arc::make_mut(&mut self.policy)
    }
}

impl<S> Layer<S> for LoadShedLayer {
    type Service = LoadShed<S>;

    fn layer(&self, inner: S) -> LoadShed<S> {
        LoadShed::new(inner, Arc::clone(&self.policy))
    }
}

impl fmt::Debug for LoadShedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoadShedLayer")
            .field("limit", &self.policy.gate.look().limit())
            .field("mode", &self.policy.mode)
            .field("queue", &self.policy.queue)
            .field("max_wait", &self.policy.max_wait)
            .field("retry_after", &self.policy.retry_after)
            .finish_non_exhaustive()
    }
}

const DEFAULT_QUEUE: u32 = 512;
const DEFAULT_MAX_WAIT: Duration = Duration::from_millis(500);
const DEFAULT_RETRY_AFTER: RangeInclusive<u32> = 1..=3;
