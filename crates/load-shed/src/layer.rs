//! The layer: one gate, whatever it is put around.

use std::{fmt, hash::Hash, ops::RangeInclusive, sync::Arc};

use http::{StatusCode, request};
use macadam_core::{Criticality, Kind, Render};
use tokio::time::Duration;
use tower_layer::Layer;

use crate::{
    error::ConfigError,
    gate::Gate,
    handle::LoadShedHandle,
    judge::{Judge, tell},
    limit::{Controller, Knee, Tuner},
    mode::{Mode, Switch},
    narrator::Narrator,
    policy::{Policy, Statuses},
    pressure::Pressure,
    pulse::Pulse,
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
    /// Finds the limit by itself, and sheds for handlers that burn CPU. Nothing to tune.
    ///
    /// The [law](crate::limit::Knee) that moves the limit looks for the least concurrency that gives the most
    /// throughput, from 1 to 1,024.
    pub fn adaptive() -> Self {
        Self::adaptive_up_to(DEFAULT_MAX_IN_FLIGHT).expect("the default is valid")
    }

    /// As [`adaptive`](Self::adaptive), with another most that the limit will ever be than 1,024: for a process that
    /// could not hold as many requests at a time, or could well hold more.
    ///
    /// # Errors
    ///
    /// If `most` is 0 or more than 1,000,000.
    pub fn adaptive_up_to(most: u32) -> Result<Self, ConfigError> {
        Ok(Self::with(Knee::new(INITIAL_LIMIT.min(most), most)?))
    }

    /// Lets `law` move the limit. The queue and the executor's lag are seen to as they are by
    /// [`adaptive`](Self::adaptive).
    pub fn with(law: impl Controller) -> Self {
        let mut layer = Self::at(law.start(), DEFAULT_QUEUE as u16);
        let policy = layer.policy_mut();
        let (gate, tally) = (Arc::clone(&policy.gate), Arc::clone(&policy.tally));
        let tuner = Tuner::new(law, policy.queue, policy.max_wait);
        policy.pulse = Some(Arc::new(Pulse::new(gate, tally, tuner, DEFAULT_TARGET_LAG)));
        layer
    }

    /// Admits at most `limit` requests at a time, each from its call until the last frame of its response, and moves
    /// nothing by itself.
    ///
    /// The limit is a number and not a `NonZeroU32`: it comes from a configuration more often than from a literal,
    /// where a 0 has to be answered with a sentence either way, and so does one that is too large.
    ///
    /// # Errors
    ///
    /// If `limit` is 0 or more than 1,000,000.
    pub fn new(limit: u32) -> Result<Self, ConfigError> {
        let limit = ConfigError::check_limit(limit)?;
        Ok(Self::at(limit, limit.min(DEFAULT_QUEUE) as u16))
    }

    fn at(limit: u32, queue: u16) -> Self {
        let (gate, tally) = (Arc::new(Gate::new(limit)), Arc::new(Tally::new()));
        let mode = Arc::new(Switch::new(Mode::Enforce));
        let narrator = Narrator::new(Arc::clone(&gate), Arc::clone(&tally), Arc::clone(&mode));
        let policy = Policy {
            gate,
            tally,
            mode,
            narrator: Arc::new(narrator),
            pulse: None,
            judge: Judge::default(),
            queue,
            max_wait: DEFAULT_MAX_WAIT,
            retry_after: None,
            statuses: Statuses { overload: Kind::Overloaded.status(), tenant: Kind::OverShare.status() },
            renderer: None,
        };
        policy.gate.set_max_streams(DEFAULT_MAX_STREAMS);
        Self { policy: Arc::new(policy) }
    }

    /// How late the executor may be before requests are refused for it: at the least over a tenth of a second, on top
    /// of the few milliseconds that a timer takes anyway. 5 ms unless set; of no effect where the limit is fixed.
    ///
    /// It is the gate's, and so every clone's.
    ///
    /// # Errors
    ///
    /// If it is zero, or longer than a second.
    pub fn target_lag(self, target: Duration) -> Result<Self, ConfigError> {
        let target = ConfigError::check_target_lag(target)?;
        if let Some(pulse) = &self.policy.pulse {
            pulse.lag.set_target(target);
        }
        Ok(self)
    }

    /// How many requests may go on at the same time without doing work: event streams, gRPC streams, and those that wait
    /// for their clients. 4,096 unless set.
    ///
    /// What finds no room there keeps its slot until there is room. A stream costs memory and a connection but hardly any
    /// work, so this is to be as high as the memory allows.
    ///
    /// It is the gate's, and so every clone's.
    #[must_use]
    pub fn max_streams(self, most: u32) -> Self {
        self.policy.gate.set_max_streams(most);
        self
    }

    /// Refuses what matters less, the higher `pressure` is: see [`Pressure`]. It may be called more than once. Of no
    /// effect where the limit is fixed.
    ///
    /// It is the gate's, and so every clone's.
    #[must_use]
    pub fn pressure(self, pressure: impl Pressure) -> Self {
        if let Some(pulse) = &self.policy.pulse {
            pulse.watch(Arc::new(pressure));
        }
        self
    }

    /// How many requests may wait for a slot; 0 refuses at once what cannot run at once.
    ///
    /// Where the limit is fixed, as many as the limit and 512 at most, unless set. A queue as long as the limit turns
    /// over in about one service time, which is the burst that it is there for. What is longer only makes everybody
    /// late. Where the limit moves this is the most, 512 unless set, and the queue is as long as what is served in
    /// [`max_wait`](Self::max_wait).
    #[must_use]
    pub fn queue(mut self, capacity: u16) -> Self {
        self.policy_mut().queue = capacity;
        self.tuned()
    }

    /// How long a request waits at most, from its call to its admission; less if its deadline is earlier.
    ///
    /// 250 ms unless set. Slow requests among quick ones make others wait for up to 200 ms at seven tenths of the
    /// capacity, and nobody should be refused for that; a client that hears of a refusal by then has most of a usual
    /// timeout left for another try elsewhere.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> Self {
        self.policy_mut().max_wait = max_wait;
        self.tuned()
    }

    /// The `Retry-After` of a refusal for want of room: whole seconds, each time another of this range, so that
    /// those refused together do not come back together.
    ///
    /// Unless set from 1 to 3; where the limit moves, to as many as it would take to serve everybody who came, at most
    /// 30.
    ///
    /// # Errors
    ///
    /// If the range is empty.
    pub fn retry_after(mut self, seconds: RangeInclusive<u32>) -> Result<Self, ConfigError> {
        self.policy_mut().retry_after = Some(ConfigError::check_retry_after(seconds)?);
        Ok(self)
    }

    /// The status of its refusals, but of those for a tenant's share: 503 unless set. A gRPC client is told the same
    /// whatever it is.
    ///
    /// ```
    /// # use http::StatusCode;
    /// # use macadam_load_shed::{ConfigError, LoadShedLayer};
    /// # fn layer() -> Result<LoadShedLayer, ConfigError> {
    /// // Behind a balancer that takes an instance out for its 503s.
    /// LoadShedLayer::adaptive().overload_status(StatusCode::TOO_MANY_REQUESTS)
    /// # }
    /// # assert!(layer().is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// If it is neither a 4xx nor a 5xx.
    pub fn overload_status(mut self, status: StatusCode) -> Result<Self, ConfigError> {
        self.policy_mut().statuses.overload = ConfigError::check_status(status)?;
        Ok(self)
    }

    /// The status of its refusals for a [tenant's](Self::tenant) share: 429 unless set. A gRPC client is told the same
    /// whatever it is.
    ///
    /// # Errors
    ///
    /// If it is neither a 4xx nor a 5xx.
    pub fn tenant_status(mut self, status: StatusCode) -> Result<Self, ConfigError> {
        self.policy_mut().statuses.tenant = ConfigError::check_status(status)?;
        Ok(self)
    }

    /// Tells how much a request matters, where an outer layer has not said so in its
    /// [context](macadam_core::RequestContext::criticality) already. What matters more goes first, and takes the
    /// places of what matters less.
    ///
    /// Whatever a client can put into a head by itself is its own opinion: look at what a proxy that you trust has
    /// put there, or at the path.
    #[must_use]
    pub fn criticality(
        mut self,
        rate: impl Fn(&request::Parts) -> Criticality + Send + Sync + 'static,
    ) -> Self {
        self.policy_mut().judge.criticality = Some(Arc::new(rate));
        self
    }

    /// Tells whose request it is. While the limit binds, a freed slot goes to who has the fewest, who has most is
    /// refused first, with 429, and who has had less than its part of the last thousand slots waits for as long as
    /// anybody may; while it does not, everybody takes what there is. `None` is nobody's, and shares with all that are
    /// nobody's.
    #[must_use]
    pub fn tenant<T: Hash>(
        mut self,
        tenant: impl Fn(&request::Parts) -> Option<T> + Send + Sync + 'static,
    ) -> Self {
        self.policy_mut().judge.tenant = Some(tell(tenant));
        self
    }

    /// Passes on what `predicate` says yes to: it takes no slot, and is not refused. At most 64 pass like that at the
    /// same time; more of them take slots like everybody else.
    ///
    /// Meant for probes: a process that sheds is alive, and one that is restarted for being busy makes the others
    /// busier. Whatever a client can put into a head by itself lets it around the gate.
    #[must_use]
    pub fn exempt(mut self, predicate: impl Fn(&request::Parts) -> bool + Send + Sync + 'static) -> Self {
        self.policy_mut().judge.exempt = Some(Arc::new(predicate));
        self
    }

    /// Whether it refuses, rehearses or does nothing. [`Mode::Enforce`] unless set, and until the
    /// [handle](crate::LoadShedHandle::set_mode) says otherwise.
    ///
    /// It is the gate's, and so every clone's.
    #[must_use]
    pub fn mode(self, mode: Mode) -> Self {
        self.policy.mode.set(mode);
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

    /// Tells the tuner, where there is one, how long the queue may be and the wait in it.
    fn tuned(self) -> Self {
        let Policy { pulse, queue, max_wait, .. } = &*self.policy;
        if let Some(pulse) = pulse {
            pulse.tune(|tuner| tuner.set_most(*queue, *max_wait));
        }
        self
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
            .field("mode", &self.policy.mode.get())
            .field("queue", &self.policy.queue)
            .field("max_wait", &self.policy.max_wait)
            .field("retry_after", &self.policy.retry_after)
            .finish_non_exhaustive()
    }
}

const DEFAULT_QUEUE: u32 = 512;
const DEFAULT_MAX_WAIT: Duration = Duration::from_millis(250);
const DEFAULT_TARGET_LAG: Duration = Duration::from_millis(5);
const DEFAULT_MAX_STREAMS: u32 = 4096;
const INITIAL_LIMIT: u32 = 64;
const DEFAULT_MAX_IN_FLIGHT: u32 = 1024;
