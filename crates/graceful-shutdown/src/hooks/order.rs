//! Which hook waits for which, and how long all of them take at the most. No clock, no task.

use std::{borrow::Cow, time::Duration};

use macadam_core::Phase;

use crate::error::Fault;

/// When a hook begins, if nothing else keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Begin {
    LameDuck,
    Draining,
    /// After all that came with an earlier phase.
    Cleanup,
    /// After all others.
    Last,
}

/// What the order has to know of a hook.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Needs<'a> {
    pub(crate) name: &'a str,
    pub(crate) begin: Begin,
    pub(crate) after: &'a [Cow<'static, str>],
}

/// For each hook, in the order in which they were added, which others it waits for.
#[derive(Debug)]
pub(crate) struct Order {
    places: Vec<Place>,
    /// All hooks, each after those that it waits for.
    sorted: Vec<usize>,
}

#[derive(Debug)]
struct Place {
    begin: Begin,
    after: Vec<usize>,
}

/// Hooks that wait for each other in a row, and end last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub(crate) end: Duration,
    /// With what the first of them began.
    pub(crate) from: Begin,
    pub(crate) hooks: Vec<usize>,
}

impl Begin {
    /// The phase that it comes with.
    pub(crate) fn phase(self) -> Phase {
        match self {
            Self::LameDuck => Phase::LameDuck,
            Self::Draining => Phase::Draining,
            Self::Cleanup | Self::Last => Phase::Cleanup,
        }
    }
}

impl Order {
    /// The order of these, if there is one.
    pub(crate) fn of(all: &[Needs<'_>]) -> Result<Self, Fault> {
        let places = all.iter().map(|needs| Place::of(needs, all)).collect::<Result<Vec<_>, _>>()?;
        let mut sorted: Vec<usize> = Vec::with_capacity(places.len());
        let free = |sorted: &[usize], hook: usize| {
            !sorted.contains(&hook) && places[hook].after.iter().all(|before| sorted.contains(before))
        };
        while let Some(next) = (0..places.len()).find(|hook| free(&sorted, *hook)) {
            sorted.push(next);
        }
        if sorted.len() < places.len() {
            return Err(circle(all, &places, &sorted));
        }
        Ok(Self { places, sorted })
    }

    pub(crate) fn begin(&self, hook: usize) -> Begin {
        self.places[hook].begin
    }

    /// Those that the hook waits for.
    pub(crate) fn before(&self, hook: usize) -> &[usize] {
        &self.places[hook].after
    }

    /// The chain that ends last, if each hook takes its whole limit, and `at` says when each begin comes. Hooks of whose
    /// begin it says nothing are left out.
    pub(crate) fn longest(
        &self,
        limits: &[Duration],
        at: impl Fn(Begin) -> Option<Duration>,
    ) -> Option<Chain> {
        let mut chains: Vec<Option<Chain>> = self.places.iter().map(|_| None).collect();
        for &hook in &self.sorted {
            let Place { begin, after } = &self.places[hook];
            let Some(comes) = at(*begin) else { continue };
            let before = after.iter().filter_map(|before| chains[*before].as_ref());
            let before = before.max_by_key(|chain| chain.end).filter(|chain| chain.end > comes);
            let alone = (comes, *begin, Vec::new());
            let (starts, from, mut hooks) =
                before.map_or(alone, |chain| (chain.end, chain.from, chain.hooks.clone()));
            hooks.push(hook);
            chains[hook] = Some(Chain { end: starts.saturating_add(limits[hook]), from, hooks });
        }
        chains.into_iter().flatten().max_by_key(|chain| chain.end)
    }

    /// How long those that begin with cleanup take at the most, all others being over.
    pub(crate) fn of_cleanup(&self, limits: &[Duration]) -> Duration {
        let cleanup = self.longest(limits, |begin| (begin >= Begin::Cleanup).then_some(Duration::ZERO));
        cleanup.map_or(Duration::ZERO, |chain| chain.end)
    }
}

impl Place {
    fn of(needs: &Needs<'_>, all: &[Needs<'_>]) -> Result<Self, Fault> {
        let barrier = |other: &Needs<'_>| other.begin < needs.begin && needs.begin >= Begin::Cleanup;
        let mut after: Vec<usize> = (0..all.len()).filter(|other| barrier(&all[*other])).collect();
        for name in needs.after {
            let mut found = (0..all.len()).filter(|other| all[*other].name == name).peekable();
            if found.peek().is_none() {
                let hooks = all.iter().map(|needs| needs.name.to_owned()).collect();
                return Err(Fault::NoSuchHook { hook: needs.name.into(), after: name.to_string(), hooks });
            }
            for other in found {
                if all[other].begin > needs.begin {
                    return Err(Fault::Backwards { hook: needs.name.into(), after: name.to_string() });
                }
                after.push(other);
            }
        }
        Ok(Self { begin: needs.begin, after })
    }
}

/// The circle that is among those that could not be sorted.
fn circle(all: &[Needs<'_>], places: &[Place], sorted: &[usize]) -> Fault {
    let left = |hook: &usize| !sorted.contains(hook);
    let mut walk: Vec<usize> = (0..places.len()).filter(left).take(1).collect();
    // Each of them waits for another one of them: who walks on comes back to where it has been.
    while let Some(next) = walk.last().and_then(|hook| places[*hook].after.iter().copied().find(left)) {
        let been = walk.iter().position(|hook| *hook == next);
        walk.push(next);
        if let Some(been) = been {
            walk.drain(..been);
            break;
        }
    }
    Fault::Circle { hooks: walk.into_iter().map(|hook| all[hook].name.to_owned()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &[Cow<'static, str>] = &[];

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn hook<'a>(name: &'a str, begin: Begin, after: &'a [Cow<'static, str>]) -> Needs<'a> {
        Needs { name, begin, after }
    }

    /// A lame duck of 5 s and a drain of 20 s.
    fn begins(begin: Begin) -> Option<Duration> {
        Some(match begin {
            Begin::LameDuck => Duration::ZERO,
            Begin::Draining => secs(5),
            Begin::Cleanup | Begin::Last => secs(25),
        })
    }

    /// Hooks with their limits in seconds.
    fn longest<const N: usize>(all: [(u64, Needs<'_>); N]) -> (u64, Begin, Vec<usize>) {
        let (limits, all) = (all.map(|(limit, _)| secs(limit)), all.map(|(_, needs)| needs));
        let Chain { end, from, hooks } = Order::of(&all).unwrap().longest(&limits, begins).unwrap();
        (end.as_secs(), from, hooks)
    }

    #[test]
    fn those_that_do_not_wait_for_each_other_take_the_time_of_the_longest() {
        let all = [(1, hook("a", Begin::Cleanup, NONE)), (3, hook("b", Begin::Cleanup, NONE))];
        assert_eq!(longest(all), (28, Begin::Cleanup, vec![1]));
        assert_eq!(Order::of(&[]).unwrap().longest(&[], begins), None);
    }

    #[test]
    fn those_that_wait_for_each_other_take_the_time_of_all_whichever_was_added_first() {
        let (after_b, after_a) = (["b".into()], ["a".into()]);
        let all = [
            (4, hook("c", Begin::Cleanup, &after_b)),
            (2, hook("b", Begin::Cleanup, &after_a)),
            (1, hook("a", Begin::Cleanup, NONE)),
            (5, hook("d", Begin::Cleanup, NONE)),
        ];
        assert_eq!(longest(all), (32, Begin::Cleanup, vec![2, 1, 0]));
    }

    #[test]
    fn the_last_ones_wait_for_all_others_and_not_for_each_other() {
        let all = [
            (1, hook("flush", Begin::Last, NONE)),
            (2, hook("flush too", Begin::Last, NONE)),
            (3, hook("a", Begin::Cleanup, NONE)),
        ];
        assert_eq!(Order::of(&all.map(|(_, needs)| needs)).unwrap().before(0), [2]);
        assert_eq!(longest(all), (30, Begin::Cleanup, vec![2, 1]));
    }

    #[test]
    fn an_early_one_takes_no_time_of_its_own_unless_it_outlasts_the_phases() {
        for (limit, end, from, hooks) in
            [(25, 26, Begin::Cleanup, vec![1]), (26, 27, Begin::LameDuck, vec![0, 1])]
        {
            let all =
                [(limit, hook("early", Begin::LameDuck, NONE)), (1, hook("late", Begin::Cleanup, NONE))];
            assert_eq!(longest(all), (end, from, hooks));
        }
        let after = ["early".into()];
        let all = [(6, hook("early", Begin::LameDuck, NONE)), (30, hook("then", Begin::Draining, &after))];
        assert_eq!(longest(all), (36, Begin::LameDuck, vec![0, 1]));
    }

    #[test]
    fn draining_does_not_wait_for_the_lame_duck_and_cleanup_waits_for_both() {
        let all = [
            hook("lame duck", Begin::LameDuck, NONE),
            hook("draining", Begin::Draining, NONE),
            hook("cleanup", Begin::Cleanup, NONE),
        ];
        let order = Order::of(&all).unwrap();
        assert_eq!([order.before(0), order.before(1), order.before(2)], [&[][..], &[], &[0, 1]]);
    }

    #[test]
    fn a_name_stands_for_all_hooks_that_have_it() {
        let after = ["twin".into()];
        let all = [
            hook("then", Begin::Cleanup, &after),
            hook("twin", Begin::Cleanup, NONE),
            hook("twin", Begin::Cleanup, NONE),
        ];
        assert_eq!(Order::of(&all).unwrap().before(0), [1, 2]);
    }

    #[test]
    fn what_cannot_be_ordered_is_named() {
        let (to_a, to_b, to_c, to_d) = (["a".into()], ["b".into()], ["c".into()], ["d".into()]);
        let fault = |all: &[Needs<'_>]| Order::of(all).unwrap_err();
        assert_eq!(
            fault(&[
                hook("outside", Begin::Cleanup, &to_a),
                hook("a", Begin::Cleanup, &to_b),
                hook("b", Begin::Cleanup, &to_c),
                hook("c", Begin::Cleanup, &to_a),
            ]),
            Fault::Circle { hooks: ["a", "b", "c", "a"].map(str::to_owned).into() }
        );
        let itself = fault(&[hook("a", Begin::Cleanup, &to_a)]);
        assert_eq!(itself, Fault::Circle { hooks: ["a", "a"].map(str::to_owned).into() });
        assert_eq!(
            fault(&[hook("a", Begin::Cleanup, &to_d)]),
            Fault::NoSuchHook { hook: "a".into(), after: "d".into(), hooks: vec!["a".into()] }
        );
        assert_eq!(
            fault(&[hook("a", Begin::LameDuck, &to_b), hook("b", Begin::Draining, NONE)]),
            Fault::Backwards { hook: "a".into(), after: "b".into() }
        );
    }
}
