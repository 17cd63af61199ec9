//! A check: what to run, for which probe, how often and for how long.

use std::{borrow::Cow, fmt, pin::Pin, time::Duration};

use crate::{error::ConfigError, probe::Probe, reason};

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
    pub(crate) critical: bool,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    pub(crate) run: Box<Run>,
}

impl Check {
    /// A critical readiness check that runs every 5 s and is given 1 s.
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
            critical: true,
            interval: DEFAULT_INTERVAL,
            timeout: DEFAULT_TIMEOUT,
            run: Box::new(move || {
                let run = check();
                Box::pin(async move { run.await.map_err(|error| reason::of(&error)) })
            }),
        }
    }

    /// Asked by `/livez`: its failure says that only a restart helps. It passes until it has failed, so that no
    /// process is killed for being slow to start.
    ///
    /// A dependency has no place here: when it is down, restarting every instance at once helps nobody.
    pub fn liveness(mut self) -> Self {
        self.probe = Probe::Liveness;
        self
    }

    /// Asked by `/readyz`: its failure says that traffic should go elsewhere for now. It fails until it has passed.
    pub fn readiness(mut self) -> Self {
        self.probe = Probe::Readiness;
        self
    }

    /// Asked by `/startupz` and `/readyz` until it has passed once. Then it is never run again: what is started
    /// stays started.
    pub fn startup(mut self) -> Self {
        self.probe = Probe::Startup;
        self
    }

    /// Its failure fails the probe.
    pub fn critical(mut self) -> Self {
        self.critical = true;
        self
    }

    /// Its failure is reported and the probe passes all the same: the service does less, and does it.
    pub fn degrading(mut self) -> Self {
        self.critical = false;
        self
    }

    /// How long to wait from the end of one run to the start of the next. 5 s by default.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long a run may take, from its start to its result, before it is dropped and reported as `timeout`. 1 s by
    /// default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    pub(crate) fn validate(&self) -> Result<(), ConfigError> {
        let name = || self.name.chars().take(NAME_LIMIT).collect();
        let in_charset = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if self.name.is_empty() || self.name.len() > NAME_LIMIT || !self.name.bytes().all(in_charset) {
            return Err(ConfigError::InvalidName { name: name() });
        }
        if RESERVED.contains(&self.name.as_str()) {
            return Err(ConfigError::ReservedName { name: name() });
        }
        if self.interval.is_zero() {
            return Err(ConfigError::ZeroInterval { name: name() });
        }
        if self.timeout.is_zero() {
            return Err(ConfigError::ZeroTimeout { name: name() });
        }
        Ok(())
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("name", &self.name)
            .field("probe", &self.probe)
            .field("critical", &self.critical)
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// The checks that are always there: the process answers, has started, and is not shutting down.
pub(crate) const PING: &str = "ping";
pub(crate) const STARTING: &str = "starting";
pub(crate) const SHUTDOWN: &str = "shutdown";
const RESERVED: [&str; 3] = [PING, STARTING, SHUTDOWN];

const NAME_LIMIT: usize = 63;
const DEFAULT_INTERVAL: Duration = Duration::from_secs(5);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
