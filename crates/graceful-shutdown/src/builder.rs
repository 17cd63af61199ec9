//! How long the phases may take, and whether that fits.

use std::{borrow::Cow, error::Error, sync::Arc, time::Duration};

use crate::{
    course::Course,
    error::ConfigError,
    hooks::Hook,
    phases::{LameDuck, Times},
    process::{Flush, Powers, Reload},
    run::Shutdown,
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
            powers: Powers {
                signals: true,
                reaper: true,
                #[cfg(all(unix, feature = "systemd"))]
                systemd: false,
                flush: None,
                reloads: Vec::new(),
            },
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

    /// Adds what has to be done besides.
    #[must_use]
    pub fn hook(mut self, hook: Hook) -> Self {
        self.hooks.push(hook);
        self
    }

    /// Adds what is done on SIGHUP, while the process goes on serving: to read a file again, say.
    ///
    /// Each runs as a task of its own, one after the other in the order in which they were added, and has until `limit`
    /// from its own start. What fails, panics or is cut is logged, and changes nothing else. From the begin of the
    /// shutdown on nothing is reloaded.
    ///
    /// Where nothing is added SIGHUP stays what it was: it ends a process whose terminal is closed, and not one that
    /// was started by `nohup`.
    #[must_use]
    pub fn on_reload<H, F, E>(mut self, name: impl Into<Cow<'static, str>>, limit: Duration, hook: H) -> Self
    where
        H: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        self.powers.reloads.push(Reload::new(name.into(), limit, hook));
        self
    }

    /// Whether systemd is told how the process does, where it listens (`NOTIFY_SOCKET`). Default: it is not.
    ///
    /// The front page has [what it is told](crate#systemd). Where it listens SIGHUP is always a reload.
    #[cfg(all(unix, feature = "systemd"))]
    #[must_use]
    pub fn systemd(mut self, on: bool) -> Self {
        self.powers.systemd = on;
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

    /// Called when the process is made to exit, once it has logged what it cut: to flush a log that is written by a thread of
    /// its own. It has what is left of 50 ms, and is on a thread of its own too.
    #[must_use]
    pub fn flush_last_words(mut self, flush: impl Fn() + Send + Sync + 'static) -> Self {
        self.powers.flush = Some(Flush(Arc::new(flush)));
        self
    }

    /// The shutdown, if its phases fit into its budget.
    ///
    /// # Errors
    ///
    /// When lame duck, drain, closing (500 ms), the limits of the hooks that wait for each other and the process' exit
    /// (100 ms) together are longer than the budget; a drain that was not set counts as 1 s here, and a hook without a
    /// limit as 100 ms. The error lists them.
    ///
    /// When a hook is to run after one that there is not, that begins with a later phase, or that waits for it.
    pub fn build(self) -> Result<Shutdown, ConfigError> {
        let Self { lame_duck, lame_duck_min, drain, budget, hooks, powers } = self;
        let lame_duck = LameDuck { least: lame_duck_min.min(lame_duck), most: lame_duck };
        let (plan, agenda) = Times { lame_duck, drain, budget }.fit(hooks)?;
        Ok(Shutdown { course: Arc::new(Course::new()), plan, agenda, powers })
    }
}

const LAME_DUCK: Duration = Duration::from_secs(5);
const LAME_DUCK_MIN: Duration = Duration::from_secs(1);
pub(crate) const BUDGET: Duration = Duration::from_secs(28);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// With hooks that wait for each other.
    fn hooked(builder: ShutdownBuilder, limits: &[u64]) -> ShutdownBuilder {
        limits.iter().fold(builder, |builder, limit| {
            let hook = hook(&format!("of {limit} s"), *limit);
            let chain = builder.hooks.last().map(|before| before.name.clone());
            builder.hook(chain.into_iter().fold(hook, Hook::after))
        })
    }

    fn hook(name: &str, limit: u64) -> Hook {
        unlimited(name).limit(secs(limit))
    }

    fn unlimited(name: &str) -> Hook {
        Hook::new(name.to_owned(), || async { Ok::<_, Infallible>(()) })
    }

    #[test]
    fn a_drain_that_was_not_set_is_20_s_and_gives_way_to_hooks() {
        let drain = |limits| hooked(ShutdownBuilder::new(), limits).build().unwrap().plan.drain;
        assert_eq!(drain(&[]), secs(20));
        assert_eq!(drain(&[2]), secs(20));
        assert_eq!(drain(&[2, 3, 1]), Duration::from_millis(16_400));
        assert_eq!(drain(&[10, 9]), Duration::from_millis(3_400));
    }

    #[test]
    fn the_budget_has_room_for_the_longest_chain_and_not_for_the_sum() {
        let builder = ShutdownBuilder::new().drain(secs(20)).hook(hook("a", 2)).hook(hook("b", 2));
        assert!(builder.build().is_ok(), "they run at the same time");
        let builder = ShutdownBuilder::new().drain(secs(20)).hook(hook("a", 2)).hook(hook("b", 2).last());
        let error = builder.build().unwrap_err().to_string();
        assert!(error.contains("hook `a` 2s + hook `b` 2s + exit 100ms"), "{error}");
    }

    #[test]
    fn hooks_without_a_limit_share_what_is_left_with_those_that_they_wait_for() {
        let limits =
            |hooks: Vec<Hook>| {
                let builder = ShutdownBuilder::new().drain(secs(20));
                hooks.into_iter().fold(builder, ShutdownBuilder::hook).build().map(|shutdown| {
                    shutdown.agenda.limits.iter().map(Duration::as_millis).collect::<Vec<_>>()
                })
            };
        assert_eq!(limits(vec![unlimited("a"), unlimited("b")]).unwrap(), [2_400, 2_400]);
        assert_eq!(limits(vec![unlimited("a"), unlimited("b").after("a")]).unwrap(), [1_200, 1_200]);
        assert_eq!(limits(vec![unlimited("a").last(), hook("b", 2)]).unwrap(), [400, 2_000]);
        let early =
            vec![unlimited("a").at_lame_duck(), unlimited("b").after("a").at_lame_duck(), unlimited("c")];
        assert_eq!(limits(early).unwrap(), [12_500, 12_500, 2_400]);
        assert_eq!(limits(vec![unlimited("a").at_draining()]).unwrap(), [20_000]);
        assert_eq!(limits(vec![hook("a", 27).at_lame_duck(), unlimited("b")]).unwrap(), [27_000, 900]);
        assert!(
            limits(vec![unlimited("a").limit(Duration::from_millis(2_300)), unlimited("b").after("a")])
                .is_ok()
        );
        let error =
            limits(vec![unlimited("a").limit(Duration::from_millis(2_301)), unlimited("b").after("a")]);
        let error = error.unwrap_err().to_string();
        assert!(error.contains("hook `a` 2.301s + hook `b` 100ms + exit"), "{error}");
    }

    #[test]
    fn an_early_hook_costs_nothing_until_it_outlasts_the_phases() {
        let build = |hook| ShutdownBuilder::new().drain(secs(20)).hook(hook).build();
        assert!(build(hook("early", 27).at_lame_duck()).is_ok());
        let error = build(hook("early", 28).at_lame_duck()).unwrap_err().to_string();
        assert!(error.contains(" 28s: hook `early` 28s + exit 100ms. "), "{error}");
        assert!(build(hook("early", 22).at_draining()).is_ok());
        let error = build(hook("early", 23).at_draining()).unwrap_err().to_string();
        assert!(error.contains(" 28s: lame_duck 5s + hook `early` 23s + exit 100ms. "), "{error}");
    }

    #[test]
    fn hooks_that_cannot_be_ordered_are_an_error_that_names_them_and_the_cure() {
        let error = |hooks: [Hook; 2]| {
            let builder = hooks.into_iter().fold(ShutdownBuilder::new(), ShutdownBuilder::hook);
            builder.build().unwrap_err().to_string()
        };
        let (a, b) = (|| hook("a", 1), || hook("b", 1));
        assert_eq!(
            error([a().after("c"), b()]),
            "hook `a` is to run after `c`, and no hook has that name. There are `a`, `b`"
        );
        assert_eq!(
            error([a().after("b").at_draining(), b()]),
            "hook `a` is to run after `b`, which begins later: let `a` begin as late, or not wait for it"
        );
        assert_eq!(
            error([a().after("b"), b().after("a")]),
            "hooks wait for each other: `a` after `b` after `a`. Leave one `after` out"
        );
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
    fn what_takes_no_time_is_left_out_and_so_is_its_cure() {
        let builder = || ShutdownBuilder::new().lame_duck(Duration::ZERO).budget(secs(20));
        let error = builder().drain(secs(20)).build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "the shutdown may take 20.6s, its budget is 20s: drain 20s + closing 500ms + exit 100ms. Shorten `drain` by \
             600ms, or raise `budget` to 20.6s and the grace period of whoever sends the signal above that"
        );
        let of_settings = error.of_table("shutdown").to_string();
        assert!(of_settings.contains(": shutdown.drain 20s + closing 500ms"), "{of_settings}");
        assert!(
            of_settings.contains("Shorten `shutdown.drain` by 600ms, or raise `shutdown.budget`"),
            "{of_settings}"
        );

        let error = builder().drain(Duration::ZERO).budget(Duration::ZERO).build().unwrap_err().to_string();
        assert!(error.contains(": closing 500ms + exit 100ms. Raise `budget` to 600ms"), "{error}");
        let hooks = hooked(builder().drain(secs(18)), &[2]).build().unwrap_err().to_string();
        assert!(hooks.contains("Shorten `drain` or a hook's limit by 600ms"), "{hooks}");
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
