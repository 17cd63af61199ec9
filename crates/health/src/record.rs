//! What is known of one check: a pure book of its runs. It is told the time, and has no clock and no lock.

use std::{borrow::Cow, collections::VecDeque, time::Duration};

use tokio::time::Instant;

use crate::{
    check::{Check, Finding},
    class::{Class, Status},
    judge::Judge,
    reason,
    snapshot::{CheckSnapshot, Outcome, Run},
};

#[derive(Debug)]
pub(crate) struct Record {
    judge: Judge,
    class: Class,
    /// As it was last seen, so that who looks next can tell whether it has changed.
    status: Status,
    /// Since when it is up, or down.
    since: Instant,
    /// Why it is down, or why the last run failed.
    reason: Option<Cow<'static, str>>,
    runs: u64,
    failures: u64,
    timeouts: u64,
    flips: u64,
    /// The latest results, the oldest first.
    history: VecDeque<Ended>,
    running_since: Option<Instant>,
    silence: Option<Silence>,
    timeout: Duration,
    interval_while_down: Duration,
    told: Told,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Instant,
    took: Duration,
    outcome: Outcome,
}

/// A result is awaited. Nobody can drop a run that blocks its thread, and a runtime that stands still runs none; both
/// are seen from outside by the result that does not come.
#[derive(Clone, Copy, Debug)]
struct Silence {
    /// When the run began, or should have.
    since: Instant,
    /// When the silence counts as one more failure. None when it no longer matters, or lies beyond all clocks.
    counts_at: Option<Instant>,
    /// When somebody first saw that it lasts longer than any run may.
    noticed: Option<Instant>,
    /// Somebody saw it twice.
    stuck: bool,
}

/// What the log said last, and when.
#[derive(Clone, Copy, Debug)]
struct Told {
    up: Option<bool>,
    at: Option<Instant>,
}

/// What the log has to say.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) failure: Option<Cow<'static, str>>,
    pub(crate) flips: u64,
}

impl Record {
    pub(crate) fn new(check: &Check, now: Instant) -> Self {
        let up = check.starts_up();
        let judge = Judge::new(up, check.failure_threshold, check.success_threshold);
        let mut record = Self {
            judge,
            class: check.class,
            status: Status::Pass,
            since: now,
            reason: (!up).then_some(Cow::Borrowed(PENDING)),
            runs: 0,
            failures: 0,
            timeouts: 0,
            flips: 0,
            history: VecDeque::with_capacity(HISTORY),
            running_since: None,
            silence: None,
            timeout: check.timeout,
            interval_while_down: check.down_interval(),
            told: Told { up: up.then_some(true), at: None },
        };
        record.status = record.status_at(now);
        record
    }

    /// A run is to begin at `at`.
    pub(crate) fn expect(&mut self, at: Instant) {
        let counts_at = at.checked_add(self.timeout).and_then(|end| end.checked_add(GRACE));
        self.silence = Some(Silence { since: at, counts_at, noticed: None, stuck: false });
    }

    /// The next run is to begin after a pause.
    pub(crate) fn expect_after(&mut self, now: Instant, pause: Duration) {
        match now.checked_add(pause) {
            Some(at) => self.expect(at),
            None => self.silence = None,
        }
    }

    pub(crate) fn begin(&mut self, now: Instant) {
        self.running_since = Some(now);
        self.expect(now);
    }

    pub(crate) fn end(&mut self, now: Instant, outcome: Outcome, finding: Finding) {
        let began = self.running_since.take().unwrap_or(now);
        let passed = finding.is_ok();
        self.silence = None;
        self.runs += 1;
        self.failures += u64::from(!passed);
        self.timeouts += u64::from(outcome == Outcome::TimedOut);
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(Ended { at: now, took: now.saturating_duration_since(began), outcome });
        self.hear(passed, now);
        match finding {
            Err(reason) => self.reason = Some(reason),
            // While it is still down, the reason for that stays.
            Ok(()) if self.judge.is_up() => self.reason = None,
            Ok(()) => {}
        }
    }

    /// Nobody runs it any more. What was found stays.
    pub(crate) fn rest(&mut self) {
        self.running_since = None;
        self.silence = None;
    }

    /// Catches up with what has happened by the mere passing of time: a silence counts as a failure when the awaited
    /// run should have timed out, and once more each time that another one would have.
    ///
    /// It does from the second look on. After a process was stopped as a whole somebody may look before the checks get to
    /// run, and none of them is to blame.
    ///
    /// Says whether it is stuck by this look.
    pub(crate) fn settle(&mut self, now: Instant) -> bool {
        let was_stuck = self.is_stuck();
        while let Some((silence, at)) = self.silence.and_then(|silence| Some((silence, silence.counts_at?))) {
            if now < at {
                break;
            }
            let noticed = silence.noticed.unwrap_or(now);
            if !silence.stuck && now.saturating_duration_since(noticed) < BETWEEN_LOOKS {
                self.silence = Some(Silence { noticed: Some(noticed), ..silence });
                break;
            }
            self.hear(false, at);
            let again =
                at.checked_add(self.interval_while_down).and_then(|start| start.checked_add(self.timeout));
            let counts_at = again.filter(|_| self.judge.is_up());
            self.silence = Some(Silence { counts_at, stuck: true, ..silence });
        }
        self.is_stuck() && !was_stuck
    }

    fn hear(&mut self, passed: bool, at: Instant) {
        if self.judge.hear(passed) {
            self.flips += 1;
            self.since = at;
        }
    }

    /// Whether the status is another one than when this was last asked.
    pub(crate) fn take_change(&mut self, now: Instant) -> bool {
        let status = self.status_at(now);
        std::mem::replace(&mut self.status, status) != status
    }

    /// What there is to log, at most one line every 10 s: what it says is compared with what was said last, so that the
    /// last word on a check that goes up and down is the right one.
    pub(crate) fn take_news(&mut self, now: Instant) -> Option<News> {
        let up = self.judge.is_up();
        let is_known = self.runs > 0 || self.is_stuck();
        let may_speak = self.told.at.is_none_or(|at| now.saturating_duration_since(at) >= BETWEEN_LINES);
        if self.told.up == Some(up) || !is_known || !may_speak {
            return None;
        }
        self.told = Told { up: Some(up), at: Some(now) };
        Some(News { failure: self.failure(now), flips: self.flips })
    }

    /// The reason why it is down, if it is.
    pub(crate) fn failure(&self, now: Instant) -> Option<Cow<'static, str>> {
        if self.judge.is_up() { None } else { self.reason_at(now) }
    }

    fn reason_at(&self, now: Instant) -> Option<Cow<'static, str>> {
        match self.silence {
            Some(silence) if silence.stuck => {
                Some(reason::aged("stuck for", now.saturating_duration_since(silence.since)))
            }
            _ => self.reason.clone(),
        }
    }

    /// As of the last [`take_change`](Self::take_change).
    pub(crate) fn status(&self) -> Status {
        self.status
    }

    fn status_at(&self, now: Instant) -> Status {
        if self.judge.is_up() {
            return Status::Pass;
        }
        match self.class {
            Class::Critical => Status::Fail,
            Class::Degrading => Status::Warn,
            Class::Shared { fails_after } => match fails_after {
                Some(limit) if now.saturating_duration_since(self.since) >= limit => Status::Fail,
                _ => Status::Warn,
            },
        }
    }

    /// When something may next change though no run ends.
    pub(crate) fn next_change(&self) -> Option<Instant> {
        let look = self.silence.and_then(|silence| match silence.noticed {
            Some(noticed) if !silence.stuck => noticed.checked_add(BETWEEN_LOOKS),
            _ => silence.counts_at,
        });
        let limit = match self.class {
            Class::Shared { fails_after } if self.status == Status::Warn => {
                fails_after.and_then(|limit| self.since.checked_add(limit))
            }
            _ => None,
        };
        look.into_iter().chain(limit).min()
    }

    pub(crate) fn is_up(&self) -> bool {
        self.judge.is_up()
    }

    /// Up, and its last run passed.
    pub(crate) fn is_steady(&self) -> bool {
        self.judge.is_steady()
    }

    fn is_stuck(&self) -> bool {
        self.silence.is_some_and(|silence| silence.stuck)
    }

    pub(crate) fn snapshot(&self, check: &Check, now: Instant) -> CheckSnapshot {
        let age = |at: Instant| now.saturating_duration_since(at);
        let last = self.history.back();
        CheckSnapshot {
            name: check.name.clone(),
            probe: check.probe,
            class: self.class,
            status: self.status,
            reason: self.reason_at(now),
            state_age: age(self.since),
            finding_age: last.map(|run| age(run.at)),
            last_duration: last.map(|run| run.took),
            running_for: self.running_since.map(age),
            stuck_for: self.silence.filter(|silence| silence.stuck).map(|silence| age(silence.since)),
            contradictions: self.judge.contradictions(),
            runs: self.runs,
            failures: self.failures,
            timeouts: self.timeouts,
            flips: self.flips,
            history: self.history.iter().map(|run| run.seen_at(now)).collect(),
        }
    }
}

impl Ended {
    fn seen_at(self, now: Instant) -> Run {
        Run { age: now.saturating_duration_since(self.at), took: self.took, outcome: self.outcome }
    }
}

const PENDING: &str = "pending";
/// How many results are kept.
const HISTORY: usize = 32;
/// How late a result may be, on top of its timeout, before the run is taken for stuck: a runtime that is merely busy gets
/// to a timer later than it is due.
const GRACE: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);
const BETWEEN_LINES: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const TICK: Duration = Duration::from_millis(1);

    /// A check that is up, is given 1 s, and goes down with the third failure; and when its first run began.
    fn begun(check: impl FnOnce(Check) -> Check) -> (Record, Instant) {
        let check = check(Check::new("it", async || Ok::<_, &str>(())).initially(true));
        let began = Instant::now();
        let mut record = Record::new(&check, began);
        record.begin(began);
        (record, began)
    }

    #[test]
    fn a_silence_counts_as_a_failure_1_s_after_the_timeout_and_with_each_run_that_would_time_out() {
        let (mut record, began) = begun(|check| check);
        // The timeout and the grace.
        record.settle(began + 2 * SECOND - TICK);
        assert_eq!(record.next_change(), Some(began + 2 * SECOND));
        let second_look = 2 * SECOND + BETWEEN_LOOKS;
        for look in [2 * SECOND, second_look - TICK] {
            record.settle(began + look);
            assert_eq!(record.next_change(), Some(began + second_look));
            assert!(record.is_steady() && !record.is_stuck());
        }
        record.settle(began + second_look);
        // Then an interval while down, and a timeout, each.
        for (contradictions, at) in [(1, 4 * SECOND), (2, 6 * SECOND)] {
            record.settle(began + at - TICK);
            assert_eq!(record.judge.contradictions(), contradictions);
            assert_eq!(record.next_change(), Some(began + at));
            record.settle(began + at);
            assert!(record.is_stuck());
        }
        assert!(!record.is_up());
        assert_eq!((record.since, record.next_change()), (began + 6 * SECOND, None));
        assert_eq!(record.failure(began + 75 * SECOND / 10).as_deref(), Some("stuck for 7.5 s"));
    }

    #[test]
    fn who_looks_late_and_once_more_sees_the_same_as_who_has_looked_all_the_time() {
        let (mut often, began) = begun(|check| check.failure_threshold(50));
        let mut late = begun(|check| check.failure_threshold(50)).0;
        late.begin(began);
        for tick in 0..60_000 {
            often.settle(began + TICK * tick);
        }
        late.settle(began + TICK * 59_899);
        late.settle(began + TICK * 59_999);
        assert_eq!(often.judge.contradictions(), 29);
        assert_eq!(late.judge.contradictions(), 29);
        assert_eq!(often.next_change(), late.next_change());
    }

    #[test]
    fn a_process_that_was_stopped_as_a_whole_accuses_no_check() {
        let (mut record, began) = begun(|check| check.failure_threshold(1));
        // Somebody looks as soon as it goes on, and then the run gets to end.
        let later = began + 3_600 * SECOND;
        record.settle(later);
        assert!(record.is_steady() && record.failure(later).is_none());
        record.settle(later + BETWEEN_LOOKS - TICK);
        record.end(later + BETWEEN_LOOKS - TICK, Outcome::Passed, Ok(()));
        assert!(record.is_steady() && record.flips == 0);
    }

    #[test]
    fn a_run_that_ends_in_time_ends_the_silence_and_a_pause_is_none() {
        let (mut record, began) = begun(|check| check);
        let ended = began + 2 * SECOND - TICK;
        record.settle(ended);
        record.end(ended, Outcome::Passed, Ok(()));
        record.expect_after(ended, 60 * SECOND);
        record.settle(ended + 62 * SECOND - TICK);
        assert!(record.is_steady() && !record.is_stuck());
        assert_eq!(record.next_change(), Some(ended + 62 * SECOND), "nobody ran it when it was due");
        record.settle(ended + 62 * SECOND);
        record.settle(ended + 63 * SECOND);
        assert!(record.is_stuck());
    }

    #[test]
    fn what_nobody_runs_is_never_stuck() {
        let (mut record, began) = begun(|check| check);
        record.rest();
        record.settle(began + 3_600 * SECOND);
        assert!(record.is_steady() && record.next_change().is_none());
    }

    #[test]
    fn durations_beyond_all_clocks_are_never_over() {
        let (mut record, began) = begun(|check| check.timeout(Duration::MAX).shared_for(Duration::MAX));
        record.settle(began + 3_600 * SECOND);
        assert!(record.is_steady() && record.next_change().is_none());
        record.end(began, Outcome::Passed, Ok(()));
        record.expect_after(began, Duration::MAX);
        record.settle(began + 3_600 * SECOND);
        assert!(record.is_steady());
    }
}
