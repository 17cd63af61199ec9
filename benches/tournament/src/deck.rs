//! How long requests take.

use std::{f64::consts::TAU, time::Duration};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::schedule::uniform;

/// Service times, dealt in the order in which services begin: the same sequence to every plant of a kind.
///
/// They are dealt from one deck that is shuffled again each time it is through. Every stretch of some hundred services
/// then has nearly the same mean: two arms differ by what they do, and not by luck.
#[derive(Debug)]
pub struct Deck {
    cards: Vec<Duration>,
    next: usize,
    random: ChaCha8Rng,
}

impl Deck {
    /// Lognormal with this mean, and half of it as the deviation of its logarithm (`cv` 0.53).
    pub fn lognormal(seed: u64, mean: Duration) -> Self {
        Self::of(seed, |random| {
            let draws: Vec<f64> = (0..CARDS).map(|_| (SIGMA * normal(random)).exp()).collect();
            let drawn_mean = draws.iter().sum::<f64>() / draws.len() as f64;
            draws.iter().map(|draw| mean.mul_f64(draw / drawn_mean)).collect()
        })
    }

    /// The same, but one in twenty takes twenty times as long.
    pub fn with_slow_ones(seed: u64, mean: Duration) -> Self {
        let mut deck = Self::lognormal(seed, mean);
        // In order, so that the slow ones are of all sizes.
        deck.cards.sort_unstable();
        for card in deck.cards.iter_mut().skip(10).step_by(20) {
            *card *= 20;
        }
        deck
    }

    fn of(seed: u64, draw: impl FnOnce(&mut ChaCha8Rng) -> Vec<Duration>) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let cards = draw(&mut random);
        Self { next: cards.len(), cards, random }
    }

    /// The next service time.
    pub fn deal(&mut self) -> Duration {
        if self.next == self.cards.len() {
            self.shuffle();
        }
        let card = self.cards[self.next];
        self.next += 1;
        card
    }

    /// The mean of all that is dealt.
    pub fn mean(&self) -> Duration {
        self.cards.iter().sum::<Duration>() / self.cards.len() as u32
    }

    /// Fisher and Yates.
    fn shuffle(&mut self) {
        for last in (1..self.cards.len()).rev() {
            let other = (self.random.next_u64() % (last as u64 + 1)) as usize;
            self.cards.swap(last, other);
        }
        self.next = 0;
    }
}

/// By Box and Muller.
fn normal(random: &mut impl RngCore) -> f64 {
    (-2.0 * (1.0 - uniform(random)).ln()).sqrt() * (TAU * uniform(random)).cos()
}

const CARDS: usize = 400;
const SIGMA: f64 = 0.5;
