//! When each phase of a shutdown ends. It is told the time and answers with the next step: no thread, no clock.

use std::time::Duration;

use macadam_core::Phase;

use super::lame_duck::{LameDuck, LameDuckEnd, Seen};

/// How long the phases may take. Everything else here is counted from the shutdown's begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) lame_duck: LameDuck,
    pub(crate) drain: Duration,
    pub(crate) closing: Duration,
    pub(crate) budget: Duration,
}

/// How far a shutdown is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) phase: Phase,
    /// When that phase ends at the latest.
    pub(crate) until: Duration,
    pub(crate) seen: Seen,
}

/// What the watcher does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Moves on to a phase that ends by itself at `until`.
    Enter { phase: Phase, until: Duration },
    /// Moves on from the lame duck to draining, which ends by itself at `until`.
    EndLameDuck { end: LameDuckEnd, until: Duration },
    /// Does nothing before `until`, unless something happens.
    Wait { until: Duration },
    /// Ends the process.
    Exit,
}

impl Plan {
    /// The next step of a shutdown that began `elapsed` ago.
    pub(crate) fn next(&self, progress: Progress, elapsed: Duration) -> Step {
        let Progress { phase, until, seen } = progress;
        if elapsed >= self.budget {
            return Step::Exit;
        }
        let over = elapsed >= until;
        match phase {
            // Serving → LameDuck: it begins. A lame duck that may take no time, or that nobody can reach any more,
            // is left out.
            Phase::Starting | Phase::Serving if self.lame_duck.most.is_zero() || seen.server_ended => {
                enter(Phase::Draining, elapsed + self.drain)
            }
            Phase::Starting | Phase::Serving => enter(Phase::LameDuck, self.lame_duck.most),
            // LameDuck → Draining: clients had their time to leave, or the server stopped accepting by itself.
            Phase::LameDuck => match self.lame_duck.end(seen, elapsed) {
                Some(end) => Step::EndLameDuck { end, until: elapsed + self.drain },
                None => Step::Wait { until: self.budget.min(self.lame_duck.next_look(elapsed)) },
            },
            // Draining → Closing: the time to finish is over. (Draining → Cleanup, when nothing is left to finish, is
            // seen and made by `run`.)
            Phase::Draining if over => enter(Phase::Closing, elapsed + self.closing),
            // Closing → Cleanup: what has not ended by now is given up.
            Phase::Closing if over => enter(Phase::Cleanup, self.budget),
            Phase::Draining | Phase::Closing => Step::Wait { until: until.min(self.budget) },
            // Cleanup → Stopped is made by `run`, when the hooks are done. After it the process has to go too.
            _ => Step::Wait { until: self.budget },
        }
    }
}

fn enter(phase: Phase, until: Duration) -> Step {
    Step::Enter { phase, until }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(1);
    const PLAN: Plan = Plan {
        lame_duck: LameDuck { least: Duration::from_secs(1), most: Duration::from_secs(5) },
        drain: Duration::from_secs(20),
        closing: Duration::from_millis(500),
        budget: Duration::from_secs(28),
    };

    fn at(phase: Phase, until_millis: u64) -> Progress {
        Progress { phase, until: ms(until_millis), seen: Seen::default() }
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn each_phase_ends_at_its_boundary_and_not_a_tick_before() {
        let draining = Step::EndLameDuck { end: LameDuckEnd::Maximum, until: ms(25_000) };
        let enter = |phase, until| Step::Enter { phase, until: ms(until) };
        for (phase, until, then) in [
            (Phase::LameDuck, 5_000, draining),
            (Phase::Draining, 25_000, enter(Phase::Closing, 25_500)),
            (Phase::Closing, 25_500, enter(Phase::Cleanup, 28_000)),
        ] {
            let progress = at(phase, until);
            assert_eq!(PLAN.next(progress, ms(until) - TICK), Step::Wait { until: ms(until) });
            assert_eq!(PLAN.next(progress, ms(until)), then, "{phase}");
        }
    }

    #[test]
    fn a_lame_duck_that_was_noticed_gives_its_time_to_nobody() {
        let progress = Progress { seen: Seen { probes: 3, ..Seen::default() }, ..at(Phase::LameDuck, 5_000) };
        assert_eq!(PLAN.next(progress, ms(1_000) - TICK), Step::Wait { until: ms(1_009) });
        let draining = Step::EndLameDuck { end: LameDuckEnd::Noticed, until: ms(21_000) };
        assert_eq!(PLAN.next(progress, ms(1_000)), draining);
    }

    #[test]
    fn in_every_phase_the_process_exits_at_the_budget_and_not_a_tick_before() {
        for phase in [Phase::LameDuck, Phase::Draining, Phase::Closing, Phase::Cleanup, Phase::Stopped] {
            let progress = at(phase, 60_000);
            let lame_duck = LameDuck { least: ms(60_000), most: ms(60_000) };
            let plan = Plan { lame_duck, ..PLAN };
            assert_eq!(plan.next(progress, ms(28_000) - TICK), Step::Wait { until: ms(28_000) });
            assert_eq!(plan.next(progress, ms(28_000)), Step::Exit, "{phase}");
        }
    }

    #[test]
    fn a_lame_duck_of_no_time_is_left_out() {
        let plan = Plan { lame_duck: LameDuck { most: Duration::ZERO, ..PLAN.lame_duck }, ..PLAN };
        let draining = Step::Enter { phase: Phase::Draining, until: ms(20_000) };
        assert_eq!(plan.next(at(Phase::Serving, 0), Duration::ZERO), draining);
    }

    #[test]
    fn a_server_that_ended_cuts_the_lame_duck_short_and_no_other_phase() {
        let seen = Seen { server_ended: true, ..Seen::default() };
        let ended = |phase| Progress { seen, ..at(phase, 26_000) };
        let until = ms(21_000);
        let draining = Step::Enter { phase: Phase::Draining, until };
        assert_eq!(PLAN.next(ended(Phase::Serving), ms(1_000)), draining);
        let draining = Step::EndLameDuck { end: LameDuckEnd::ServerEnded, until };
        assert_eq!(PLAN.next(ended(Phase::LameDuck), ms(1_000)), draining);
        assert_eq!(PLAN.next(ended(Phase::Draining), ms(1_000)), Step::Wait { until: ms(26_000) });
    }

    #[test]
    fn whatever_the_clock_does_the_phases_go_forward_and_end() {
        for jump in [1, 7, 400, 4_999, 5_000, 13_000, 27_999, 40_000] {
            let mut elapsed = Duration::ZERO;
            let mut progress = at(Phase::Serving, 0);
            let mut steps = 0;
            loop {
                steps += 1;
                assert!(steps < 100_000, "it never ends with a clock that jumps by {jump} ms");
                let before = progress.phase;
                match PLAN.next(progress, elapsed) {
                    Step::Enter { phase, until } => progress = Progress { phase, until, ..progress },
                    Step::EndLameDuck { until, .. } => {
                        progress = Progress { phase: Phase::Draining, until, ..progress };
                    }
                    Step::Wait { until } => {
                        assert!(until > elapsed && until <= PLAN.budget);
                        elapsed += ms(jump);
                    }
                    Step::Exit => break assert!(elapsed >= PLAN.budget),
                }
                assert!(progress.phase >= before);
            }
        }
    }
}
