//! How long the phases may take, and whether that fits.

use std::{borrow::Cow, error::Error, sync::Arc, time::Duration};

use crate::{
    course::Course,
    error::{ConfigError, Overrun},
    hooks::Hook,
    lame_duck::LameDuck,
    plan::Plan,
    run::Shutdown,
    watcher::Powers,
};

/// What a [`Shutdown`] is made of.
#[derive(Debug)]
pub struct ShutdownBuilder {
    lame_duck: Duration,
    lame_duck_min: Duration,
    drain: Option<Duration>,
    budget: Duration,
    hooks: Vec<Hook>,
    powers: Powers,
}

impl ShutdownBuilder {
    pub(crate) fn new() -> Self {
        Self {
            lame_duck: LAME_DUCK,
            lame_duck_min: LAME_DUCK_MIN,
            drain: None,
            budget: BUDGET,
            hooks: Vec::new(),
            powers: Powers { signals: true, reaper: true },
        }
    }

    /// The most that the lame duck may take, from the signal until the server stops accepting. Default: 5 s.
    ///
    /// It is the time that load balancers need to notice. Where nobody balances, as on a developer's machine, zero
    /// leaves the phase out. It ends earlier, but not before its [least](Self::lame_duck_min), where three probes have
    /// been told that the process is not ready and no new request has come for a second.
    #[must_use]
    pub fn lame_duck(mut self, most: Duration) -> Self {
        self.lame_duck = most;
        self
    }

    /// The least that the lame duck takes, from the signal, unless the server ends by itself. Default: 1 s.
    ///
    /// More than the most counts as the most: then it takes that time, whoever has noticed.
    #[must_use]
    pub fn lame_duck_min(mut self, least: Duration) -> Self {
        self.lame_duck_min = least;
        self
    }

    /// The most that draining may take, from the end of the lame duck until what is in flight is cut. Default: what
    /// the rest leaves of the budget, 20 s at most.
    #[must_use]
    pub fn drain(mut self, most: Duration) -> Self {
        self.drain = Some(most);
        self
    }

    /// From the beginning of the shutdown until the process is gone, whatever happens. Default: 28 s.
    ///
    /// Whoever sent the signal kills the process after a grace period of its own, 30 s in Kubernetes, 90 s in
    /// systemd, 10 s in Docker: the budget lies below that one. [`GracePeriod`](crate::GracePeriod) reads it from the
    /// environment, where it is told. More than a year is taken for a year.
    #[must_use]
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget.min(YEAR);
        self
    }

    /// Adds what has to be done when nothing is in flight any more.
    ///
    /// Hooks run one after the other in the order in which they were added, each as a task of its own, and all of
    /// them whatever became of those before. A hook fails by its error, by a panic, or by its `limit`, counted from
    /// its own start; the budget has room for all limits.
    #[must_use]
    pub fn hook<H, F, E>(mut self, name: impl Into<Cow<'static, str>>, limit: Duration, hook: H) -> Self
    where
        H: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.hooks.push(Hook::new(name.into(), limit, hook));
        self
    }

    /// Whether SIGTERM and SIGINT begin the shutdown (on Windows, Ctrl-C). Default: they do.
    ///
    /// Off, only [`trigger`](crate::ShutdownHandle::trigger) and the server's own end begin it: for tests, and for
    /// programs that have signals of their own to look after.
    #[must_use]
    pub fn signals(mut self, on: bool) -> Self {
        self.powers.signals = on;
        self
    }

    /// Whether the process is made to exit when the budget is over. Default: it is, also after
    /// [`run`](Shutdown::run) has returned.
    ///
    /// Off, for a process that has more to do than to serve: a test, above all.
    #[must_use]
    pub fn reaper(mut self, on: bool) -> Self {
        self.powers.reaper = on;
        self
    }

    /// The shutdown, if its phases fit into its budget.
    ///
    /// # Errors
    ///
    /// When lame duck, drain, closing (500 ms), the hooks' limits and the process' exit (100 ms) together are longer
    /// than the budget; a drain that was not set counts as 1 s here. The error lists them.
    pub fn build(self) -> Result<Shutdown, ConfigError> {
        let Self { lame_duck, lame_duck_min, drain, budget, hooks, powers } = self;
        let of_hooks = hooks.iter().fold(Duration::ZERO, |sum, hook| sum.saturating_add(hook.limit));
        let fixed =
            [lame_duck, CLOSING, of_hooks, EXIT].into_iter().fold(Duration::ZERO, Duration::saturating_add);

        // A hook that was given 5 s counts on them, so the one who gives way is the drain that nobody asked for.
        let least = drain.unwrap_or(DRAIN_LEAST);
        let needed = fixed.saturating_add(least);
        if needed > budget {
            let hooks = hooks.into_iter().map(|hook| (hook.name, hook.limit)).collect();
            let overrun =
                Overrun { lame_duck, drain: least, closing: CLOSING, hooks, exit: EXIT, needed, budget };
            return Err(ConfigError::new(overrun));
        }
        let drain = drain.unwrap_or_else(|| DRAIN.min(budget - fixed));

        let lame_duck = LameDuck { least: lame_duck_min.min(lame_duck), most: lame_duck };
        let plan = Plan { lame_duck, drain, closing: CLOSING, budget };
        Ok(Shutdown { course: Arc::new(Course::new()), plan, hooks, powers })
    }
}

const LAME_DUCK: Duration = Duration::from_secs(5);
const LAME_DUCK_MIN: Duration = Duration::from_secs(1);
const DRAIN: Duration = Duration::from_secs(20);
const DRAIN_LEAST: Duration = Duration::from_secs(1);
/// For what notices that its time is over, and can say so to its client.
const CLOSING: Duration = Duration::from_millis(500);
/// From the last hook's end to the process' end.
const EXIT: Duration = Duration::from_millis(100);
pub(crate) const RESERVED: Duration = CLOSING.saturating_add(EXIT);
pub(crate) const BUDGET: Duration = Duration::from_secs(28);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn hooked(builder: ShutdownBuilder, limits: &[u64]) -> ShutdownBuilder {
        limits.iter().fold(builder, |builder, limit| {
            builder.hook(format!("of {limit} s"), secs(*limit), || async { Ok::<_, Infallible>(()) })
        })
    }

    #[test]
    fn a_drain_that_was_not_set_is_20_s_and_gives_way_to_hooks() {
        let drain = |limits| hooked(ShutdownBuilder::new(), limits).build().unwrap().plan.drain;
        assert_eq!(drain(&[]), secs(20));
        assert_eq!(drain(&[2]), secs(20));
        assert_eq!(drain(&[2, 2, 2]), Duration::from_millis(16_400));
        assert_eq!(drain(&[10, 10]), Duration::from_millis(2_400));
    }

    #[test]
    fn a_drain_that_was_set_does_not_give_way() {
        let builder = hooked(ShutdownBuilder::new().drain(secs(20)), &[2, 3]);
        let error = builder.build().unwrap_err().to_string();
        for part in [
            "lame_duck 5s",
            "drain 20s",
            "closing 500ms",
            "`of 2 s` 2s",
            "`of 3 s` 3s",
            "exit 100ms",
            "30.6s",
            "2.6s",
            "28s",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn phases_fit_to_the_millisecond() {
        let builder = |millis| ShutdownBuilder::new().drain(secs(20)).budget(Duration::from_millis(millis));
        assert!(builder(25_600).build().is_ok());
        assert!(builder(25_599).build().is_err());
    }

    #[test]
    fn times_without_end_are_an_error_and_not_an_overflow() {
        assert!(ShutdownBuilder::new().lame_duck(Duration::MAX).budget(Duration::MAX).build().is_err());
        assert!(ShutdownBuilder::new().drain(Duration::MAX).build().is_err());
        assert!(ShutdownBuilder::new().budget(Duration::MAX).build().is_ok());
    }
}
