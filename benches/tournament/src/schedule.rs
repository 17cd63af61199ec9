//! When requests are due.

use std::time::Duration;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// A stretch of time in which a constant rate is offered.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// From the end of the stretch before it.
    pub length: Duration,
    /// Requests a second.
    pub rate: f64,
}

impl Stretch {
    /// `rate` requests a second, for so many seconds.
    pub fn new(seconds: f64, rate: f64) -> Self {
        Self { length: Duration::from_secs_f64(seconds), rate }
    }
}

/// Who sends a request: a tenant, or a class of requests. It is an extension of each request, for an arm that looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client(pub u8);

/// A request to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    /// When it is due, from the start of the run.
    pub due: Duration,
    /// Whose it is.
    pub client: Client,
}

/// The requests of a run, in order.
#[derive(Clone, Debug)]
pub struct Schedule {
    arrivals: Vec<Arrival>,
    length: Duration,
}

impl Schedule {
    /// Poisson arrivals: what many clients who know nothing of each other send.
    pub fn poisson(seed: u64, stretches: &[Stretch]) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut arrivals = Vec::new();
        let mut start = Duration::ZERO;
        for stretch in stretches {
            // The process has no memory, so each stretch may begin anew.
            let end = start + stretch.length;
            let mut at = start + gap(&mut random, stretch.rate);
            while at < end {
                arrivals.push(Arrival { due: at, client: Client::default() });
                at += gap(&mut random, stretch.rate);
            }
            start = end;
        }
        Self { arrivals, length: start }
    }

    /// Several at once, the first of them sent by client 0, the next by client 1, and so on.
    pub fn together(schedules: &[Self]) -> Self {
        let of = |(client, schedule): (usize, &Self)| {
            let client = Client(client as u8);
            schedule.arrivals.iter().map(move |arrival| Arrival { client, ..*arrival }).collect::<Vec<_>>()
        };
        let mut arrivals: Vec<_> = schedules.iter().enumerate().flat_map(of).collect();
        arrivals.sort_unstable();
        let length = schedules.iter().map(Self::length).max().unwrap_or_default();
        Self { arrivals, length }
    }

    /// The requests, from the first to the last that is due.
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// From the start of the run to the end of its last stretch.
    pub fn length(&self) -> Duration {
        self.length
    }
}

fn gap(random: &mut impl RngCore, rate: f64) -> Duration {
    Duration::from_secs_f64(-(1.0 - uniform(random)).ln() / rate)
}

/// From 0 to 1, without 1.
pub(crate) fn uniform(random: &mut impl RngCore) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}
