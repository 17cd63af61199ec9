//! Whether the phases and the hooks fit into the budget, and what those get that were given no time.

use std::time::Duration;

use super::{lame_duck::LameDuck, plan::Plan};
use crate::{
    error::{Fault, Part},
    hooks::{Agenda, Begin, Chain, Hook, Order},
};

/// What the phases were given.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) lame_duck: LameDuck,
    pub(crate) drain: Option<Duration>,
    pub(crate) budget: Duration,
}

impl Times {
    pub(crate) fn fit(self, hooks: Vec<Hook>) -> Result<(Plan, Agenda), Fault> {
        let Self { lame_duck: LameDuck { most: lame_duck, .. }, drain, budget } = self;
        let order = Order::of(&hooks.iter().map(Hook::needs).collect::<Vec<_>>())?;
        let mut limits: Vec<_> = hooks.iter().map(|hook| hook.limit).collect();

        // A hook that was given 5 s counts on them, so the one who gives way is the drain that nobody asked for.
        let drain = drain.unwrap_or_else(|| {
            let unlimited = hooks.iter().any(|hook| hook.limit.is_none() && hook.begin >= Begin::Cleanup);
            let unlimited = if unlimited { UNLIMITED } else { Duration::ZERO };
            let limited = order.of_cleanup(&or(&limits, Duration::ZERO));
            budget
                .saturating_sub(sum([lame_duck, CLOSING, limited, unlimited, EXIT]))
                .clamp(DRAIN_LEAST, DRAIN)
        });

        let gone = sum([lame_duck, drain, CLOSING]);
        let at = |begin| match begin {
            Begin::LameDuck => Duration::ZERO,
            Begin::Draining => lame_duck,
            Begin::Cleanup | Begin::Last => gone,
        };
        share(&order, &mut limits, sum([lame_duck, drain]), |begin| {
            (begin < Begin::Cleanup).then(|| at(begin))
        });
        share(&order, &mut limits, budget.saturating_sub(EXIT), |begin| Some(at(begin)));
        let limits = or(&limits, HOOK_LEAST);

        // Early hooks cost nothing while the phases last longer.
        let chain = order.longest(&limits, |begin| Some(at(begin))).filter(|chain| chain.end > gone);
        let chain = chain.unwrap_or(Chain { end: gone, from: Begin::Cleanup, hooks: Vec::new() });
        let needed = chain.end.saturating_add(EXIT);
        if needed > budget {
            let phases = [
                (Part::Set("lame_duck"), lame_duck),
                (Part::Set("drain"), drain),
                (Part::Fixed("closing"), CLOSING),
            ];
            let waited = match chain.from {
                Begin::LameDuck => 0,
                Begin::Draining => 1,
                Begin::Cleanup | Begin::Last => phases.len(),
            };
            let phases = phases.into_iter().take(waited).filter(|(_, time)| !time.is_zero());
            let hooks = chain
                .hooks
                .iter()
                .map(|&hook| (Part::Hook(hooks[hook].name.clone().into_owned()), limits[hook]));
            let parts = phases.chain(hooks).chain([(Part::Fixed("exit"), EXIT)]).collect();
            return Err(Fault::Overrun { parts, needed, budget });
        }
        Ok((
            Plan { lame_duck: self.lame_duck, drain, closing: CLOSING, budget },
            Agenda { hooks, order, limits },
        ))
    }
}

/// Gives those without a limit, whose begin has a time, an equal share of what is left until `end`.
fn share(
    order: &Order,
    limits: &mut [Option<Duration>],
    end: Duration,
    at: impl Fn(Begin) -> Option<Duration>,
) {
    const ONE: Duration = Duration::from_nanos(1);
    let taken = order.longest(&or(limits, Duration::ZERO), &at).map_or(Duration::ZERO, |chain| chain.end);
    // As many as may have to wait for each other: as many nanoseconds as they take if each takes one.
    let ones: Vec<_> =
        limits.iter().map(|limit| if limit.is_none() { ONE } else { Duration::ZERO }).collect();
    let sharing = order.longest(&ones, |begin| at(begin).map(|_| Duration::ZERO));
    let sharing = sharing.map_or(ONE, |chain| chain.end.max(ONE)).subsec_nanos();
    let share = (end.saturating_sub(taken) / sharing).max(HOOK_LEAST);
    for (hook, limit) in limits.iter_mut().enumerate() {
        if at(order.begin(hook)).is_some() {
            limit.get_or_insert(share);
        }
    }
}

fn or(limits: &[Option<Duration>], without: Duration) -> Vec<Duration> {
    limits.iter().map(|limit| limit.unwrap_or(without)).collect()
}

fn sum<const N: usize>(times: [Duration; N]) -> Duration {
    times.into_iter().fold(Duration::ZERO, Duration::saturating_add)
}

const DRAIN: Duration = Duration::from_secs(20);
const DRAIN_LEAST: Duration = Duration::from_secs(1);
/// What hooks without a limit have together where a drain gives way: as much as the defaults leave them.
const UNLIMITED: Duration = Duration::from_millis(2_400);
/// Less is no time at all: then the budget is too small.
const HOOK_LEAST: Duration = Duration::from_millis(100);
/// For what notices that its time is over, and can say so to its client.
const CLOSING: Duration = Duration::from_millis(500);
/// From the last hook's end to the process' end.
pub(crate) const EXIT: Duration = Duration::from_millis(100);
pub(crate) const RESERVED: Duration = CLOSING.saturating_add(EXIT);
