//! Clients who do more than to send one request, and to wait for it.

use super::{Stand, WARM_UP, first};
use crate::{
    arrivals::Phase,
    clients::Clients,
    law::Law,
    plant::{Plant, Script},
    record::Record,
};

/// What came of an overload whose clients try again.
#[derive(Clone, Copy, Debug)]
pub struct Relapse {
    /// The share of the capacity that was of use in the overload.
    pub goodput: f64,
    /// Until hardly a hundredth of what is sent fails any more, for a second; in seconds from the overload's end, and
    /// infinite if never.
    pub back: f64,
    /// Of those who come from two seconds after its end on, the share that is served, at whichever try.
    pub after: f64,
}

impl Stand {
    /// The same plant before other clients, measured anew.
    #[must_use]
    pub fn with_clients(self, clients: Clients) -> Self {
        Self::new(Plant { clients, ..self.plant }, 6 * self.capacity.at)
    }

    /// What somebody would choose who knew the plant, and that it will stay as it is: the fewest in flight that give all
    /// there is, from the beginning.
    #[must_use]
    pub fn oracle(&self) -> Law {
        Law::Fixed(self.capacity.at)
    }

    /// `times` the capacity on average, of which an eighth of the time brings `burst` times as much as the rest: the
    /// share of the oracle's goodput, after a warm-up of 5 s, in 30 s.
    #[must_use]
    pub fn bursts(&self, times: f64, burst: f64, law: Law, seed: u64) -> f64 {
        let end = WARM_UP + 30.0;
        let phase = Phase { seconds: end, rate: times * self.capacity.goodput, burst };
        let script = Script { phases: vec![phase], ..Script::default() };
        self.of_the_oracles(law, |law| self.plant.run(&script, law.tuner(), seed).sum(WARM_UP, end).good)
    }

    /// `times` the capacity, after a warm-up of 5 s, for 15 s: the share of the oracle's goodput.
    #[must_use]
    pub fn compared(&self, times: f64, law: Law, seed: u64) -> f64 {
        let end = WARM_UP + 15.0;
        self.of_the_oracles(law, |law| self.run(&[(end, times)], &[], law, seed).sum(WARM_UP, end).good)
    }

    /// 4 s at three times the capacity, with 5 s at eight tenths of it before, and 12 s after.
    ///
    /// Where each failure is tried again, the overload can go on when its cause is over, by itself: a metastable
    /// failure (Bronson et al., 2021).
    #[must_use]
    pub fn relapse(&self, law: Law, seed: u64) -> Relapse {
        let record = self.run(&[(5.0, 0.8), (4.0, 3.0), (12.0, 0.8)], &[], law, seed);
        let (over, end) = (9.0, 21.0);
        let is_back = |t: f64| {
            let sum = record.sum(t, t + 1.0);
            sum.bad + sum.shed <= 0.01 * sum.offered
        };
        let after = record.sum(over + 2.0, end);
        Relapse {
            goodput: record.sum(over - 4.0, over).goodput() / self.capacity.goodput,
            back: first(over, end - 1.0 - Record::BIN, is_back) - over,
            after: after.good / (after.offered - after.again),
        }
    }

    fn of_the_oracles(&self, law: Law, good: impl Fn(Law) -> f64) -> f64 {
        good(law) / good(self.oracle())
    }
}
