//! A check: what to run, for which probe, how often and for how long.

use std::{borrow::Cow, fmt, pin::Pin, time::Duration};

use crate::{class::Class, error::ConfigError, probe::Probe, reason, runtime::RUNTIME};

/// What a check found: nothing, or the reason why it failed.
pub(crate) type Finding = Result<(), Cow<'static, str>>;

type Run = dyn Fn() -> Pin<Box<dyn Future<Output = Finding> + Send>> + Send + Sync;

/// A named check that runs on a schedule.
///
/// ```
/// use std::time::Duration;
/// use macadam_health::Check;
///
/// async fn ping() -> Result<(), std::io::Error> {
///     Ok(())
/// }
///
/// let postgres = Check::new("postgres", ping);
/// let search = Check::new("search", || async { Err("no node answers") })
///     .degrading()
///     .interval(Duration::from_secs(15))
///     .timeout(Duration::from_millis(500));
/// ```
#[must_use = "a check does nothing until it is given to a health builder"]
pub struct Check {
    pub(crate) name: String,
    pub(crate) probe: Probe,
    pub(crate) class: Class,
    pub(crate) initially_up: Option<bool>,
    pub(crate) interval: Duration,
    pub(crate) interval_while_down: Option<Duration>,
    pub(crate) jitter: f64,
    pub(crate) timeout: Duration,
    pub(crate) failure_threshold: u32,
    pub(crate) success_threshold: u32,
    pub(crate) run: Box<Run>,
}

impl Check {
    /// A critical readiness check that runs every 5 s, every second while something is wrong, and is given 1 s. It is down
    /// until it has passed, and again after three failures in a row.
    ///
    /// The name is 1 to 63 ASCII letters, digits, `-`, `_` or `.`, as it stands in paths and labels; it is checked
    /// when the health is built. The first 256 bytes of an error's text are kept as the reason, in printable ASCII.
    pub fn new<F, Fut, E>(name: impl Into<String>, check: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        Self {
            name: name.into(),
            probe: Probe::Readiness,
            class: Class::Critical,
            initially_up: None,
            interval: DEFAULT_INTERVAL,
            interval_while_down: None,
            jitter: DEFAULT_JITTER,
            timeout: DEFAULT_TIMEOUT,
            failure_threshold: DEFAULT_FAILURE_THRESHOLD,
            success_threshold: DEFAULT_SUCCESS_THRESHOLD,
            run: Box::new(move || {
                let run = check();
                Box::pin(async move { run.await.map_err(|error| reason::of(&error)) })
            }),
        }
    }

    /// Asked by `/livez`: its failure says that only a restart helps. It is up until it has failed, so that no process is
    /// killed for being slow to start.
    ///
    /// A dependency has no place here: when it is down, restarting every instance at once helps nobody.
    pub fn liveness(mut self) -> Self {
        self.probe = Probe::Liveness;
        self
    }

    /// Asked by `/readyz`: its failure says that traffic should go elsewhere for now. It is down until it has passed.
    pub fn readiness(mut self) -> Self {
        self.probe = Probe::Readiness;
        self
    }

    /// Asked by `/startupz` and `/readyz` until it is up for the first time. Then it is never run again: what is started
    /// stays started.
    pub fn startup(mut self) -> Self {
        self.probe = Probe::Startup;
        self
    }

    /// While it is down, the probe fails.
    pub fn critical(mut self) -> Self {
        self.class = Class::Critical;
        self
    }

    /// While it is down, that is reported and the probe passes all the same: the service does less, and does it.
    pub fn degrading(mut self) -> Self {
        self.class = Class::Degrading;
        self
    }

    /// It is a dependency that all instances share, and that fails for all of them at once. No instance is better off
    /// without traffic then, so it degrades, from the first run on and for as long as it is down.
    ///
    /// An instance that cannot reach it at all, by a wrong password for example, becomes ready as well. Where a rollout
    /// should stop at that, add a [startup](Self::startup) check of the same dependency.
    pub fn shared(mut self) -> Self {
        self.class = Class::Shared { fails_after: None };
        self
    }

    /// As [`shared`](Self::shared), but the probe fails after all once it has been down for `limit`: a failover takes
    /// nobody out, and what is in front of all instances, a balancer between regions for example, sees an outage that
    /// lasts.
    pub fn shared_for(mut self, limit: Duration) -> Self {
        self.class = Class::Shared { fails_after: Some(limit) };
        self
    }

    /// Whether it counts as up before its first result. By default a liveness check does, and no other.
    pub fn initially(mut self, up: bool) -> Self {
        self.initially_up = Some(up);
        self
    }

    /// How long to wait at most from the end of one run to the start of the next while it is up and its last run passed.
    /// 5 s by default.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The same while it is down, or up and its last run failed: what changes is looked at more often. 1 s by default, or
    /// the [interval](Self::interval) where that is shorter.
    pub fn interval_while_down(mut self, interval: Duration) -> Self {
        self.interval_while_down = Some(interval);
        self
    }

    /// By how much of itself a pause is shortened at most, at random, so that checks do not keep step with each other and
    /// with other instances. 0.05 by default, which is a twentieth; below 1.
    ///
    /// The first pause is shortened by anything up to all of it, which spreads what started at one moment. With a jitter
    /// of 0 neither happens.
    pub fn jitter(mut self, fraction: f64) -> Self {
        self.jitter = fraction;
        self
    }

    /// How long a run may take, from its start to its result, before it is dropped and counts as failed with `timeout`.
    /// 1 s by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many runs in a row have to fail before it goes down. 3 by default.
    pub fn failure_threshold(mut self, runs: u32) -> Self {
        self.failure_threshold = runs;
        self
    }

    /// How many runs in a row have to pass before it goes up, also for the first time. 1 by default.
    pub fn success_threshold(mut self, runs: u32) -> Self {
        self.success_threshold = runs;
        self
    }

    pub(crate) fn starts_up(&self) -> bool {
        self.initially_up.unwrap_or(self.probe == Probe::Liveness)
    }

    pub(crate) fn down_interval(&self) -> Duration {
        self.interval_while_down.unwrap_or(DEFAULT_INTERVAL_WHILE_DOWN.min(self.interval))
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        validate_name(&self.name)?;
        let name = || self.name.clone();
        if self.interval.is_zero() || self.interval_while_down.is_some_and(|interval| interval.is_zero()) {
            return Err(ConfigError::ZeroInterval { name: name() });
        }
        if self.down_interval() > self.interval {
            return Err(ConfigError::SlowerWhileDown { name: name() });
        }
        if self.timeout.is_zero() {
            return Err(ConfigError::ZeroTimeout { name: name() });
        }
        if self.failure_threshold == 0 || self.success_threshold == 0 {
            return Err(ConfigError::ZeroThreshold { name: name() });
        }
        if !(0.0..1.0).contains(&self.jitter) {
            return Err(ConfigError::Jitter { name: name() });
        }
        match (self.probe, self.class) {
            (Probe::Liveness, Class::Shared { .. }) => Err(ConfigError::SharedLiveness { name: name() }),
            _ => Ok(()),
        }
    }
}

/// Whether a check, or a latch, may have this name.
pub(crate) fn validate_name(name: &str) -> Result<(), ConfigError> {
    let in_charset = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > NAME_LIMIT || !name.bytes().all(in_charset) {
        return Err(ConfigError::InvalidName { name: name.chars().take(NAME_LIMIT).collect() });
    }
    if RESERVED.contains(&name) {
        return Err(ConfigError::ReservedName { name: name.to_owned() });
    }
    Ok(())
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("probe", &self.probe)
            .field("class", &self.class)
            .field("interval", &self.interval)
            .field("interval_while_down", &self.down_interval())
            .field("jitter", &self.jitter)
            .field("timeout", &self.timeout)
            .field("failure_threshold", &self.failure_threshold)
            .field("success_threshold", &self.success_threshold)
            .field("initially_up", &self.starts_up())
            .finish_non_exhaustive()
    }
}

/// The checks that are always there: the process answers, has started, and is not shutting down.
pub(crate) const PING: &str = "ping";
pub(crate) const STARTING: &str = "starting";
pub(crate) const SHUTDOWN: &str = "shutdown";
const RESERVED: [&str; 4] = [PING, STARTING, SHUTDOWN, RUNTIME];

const NAME_LIMIT: usize = 63;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
const DEFAULT_INTERVAL_WHILE_DOWN: Duration = Duration::from_secs(1);
const DEFAULT_JITTER: f64 = 0.05;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
const DEFAULT_FAILURE_THRESHOLD: u32 = 3;
const DEFAULT_SUCCESS_THRESHOLD: u32 = 1;
