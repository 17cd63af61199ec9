//! How old a connection may become.
//!
//! Connections that live for ever stay with the instances that were there when they were made, and new ones get nothing
//! of their load. Each has its own age, a tenth more or less, so that those made together do not all come back together.

use std::{
    hash::{BuildHasher, RandomState},
    task::{Context, Poll},
};

use tokio::time::{Duration, Instant};

use super::{Clocks, MaxAge, alarm::Alarm};

/// The age of one connection.
pub(crate) struct Age {
    /// `None` where it may become as old as it likes.
    limit: Option<Limit>,
}

struct Limit {
    old: Instant,
    over: Instant,
    alarm: Alarm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Young,
    /// It should end with its next answer.
    Old,
    /// Its last requests have had their time.
    Over,
}

impl Age {
    pub(crate) fn since(accepted: Instant, clocks: &Clocks) -> Self {
        let limit = clocks.max_age.map(|MaxAge { age, grace }| {
            let old = accepted + jittered(age, RandomState::new().hash_one(()));
            Limit { old, over: old + grace, alarm: Alarm::at(old) }
        });
        Self { limit }
    }

    /// What it is now. The task is woken when that changes.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Stage {
        let Some(limit) = &mut self.limit else { return Stage::Young };
        if limit.alarm.poll(cx, limit.old).is_pending() {
            return Stage::Young;
        }
        match limit.alarm.poll(cx, limit.over) {
            Poll::Pending => Stage::Old,
            Poll::Ready(()) => Stage::Over,
        }
    }
}

/// Nine to eleven tenths of `age`.
fn jittered(age: Duration, random: u64) -> Duration {
    let promille = 900 + u32::try_from(random % 201).unwrap_or_default();
    age / 1000 * promille
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_jitter_is_a_tenth_at_most() {
        let age = Duration::from_secs(1000);
        let ages = (0..1000).map(|random| jittered(age, random).as_secs());
        assert_eq!((ages.clone().min(), ages.max()), (Some(900), Some(1100)));
    }
}
