//! What of a run is looked at, and what it has to be.

use std::time::Duration;

use super::{Figure, Must};
use crate::{
    account::{Account, Span},
    capacity::Capacity,
    plant::Kind,
    schedule::Client,
};

/// What a run is for. Its time counts from where the scenario says.
#[derive(Clone, Copy, Debug)]
pub(super) enum Measure {
    /// One load.
    Steady { kind: Kind, load: f64 },
    /// The plant can do only this part of what it could, until `rise`.
    Fall { rise: Duration, left: f64 },
    /// There is room again.
    Aftermath,
    /// There is too much.
    Step,
    /// Client 0 is critical, and client 1 is sheddable.
    Classes,
    /// Client 0 asks for far more than his share, and the nine others for less than theirs.
    Tenants,
}

/// A number that a run comes down to.
#[derive(Clone, Copy)]
enum Quantity {
    Goodput,
    P99,
    FalseSheds,
    GoodputOfThePossible,
    Back,
    GoodputAfter,
    Settled,
    CriticalServed,
    WorstServed,
}

/// A run that is over, in the time that counts.
pub(super) struct Run<'a> {
    pub(super) account: &'a Account,
    pub(super) capacity: &'a Capacity,
    pub(super) span: Span,
    pub(super) measure: Measure,
}

impl Measure {
    /// What has to come of it, where the 99th percentile may be up to `bound`.
    fn demands(self, bound: Duration) -> Vec<(Quantity, Must)> {
        use Must::{AtLeast, AtMost, Nothing};
        use Quantity::{
            Back, CriticalServed, FalseSheds, Goodput, GoodputAfter, GoodputOfThePossible, P99, Settled,
            WorstServed,
        };
        match self {
            Self::Steady { load, .. } if load > 1.0 => {
                let least = if load >= 10.0 { 95.0 } else { 97.0 };
                vec![(Goodput, AtLeast(least)), (P99, AtMost(millis(bound)))]
            }
            Self::Steady { load, kind } => {
                let is_served = load < 1.0 && kind != Kind::Contended;
                let sheds = if is_served { AtMost(0.1) } else { Nothing };
                vec![(FalseSheds, sheds), (Goodput, Nothing), (P99, Nothing)]
            }
            Self::Fall { .. } => vec![(GoodputOfThePossible, AtLeast(95.0)), (Back, AtMost(1000.0))],
            Self::Aftermath => vec![(GoodputAfter, AtLeast(99.0))],
            Self::Step => vec![(Settled, AtMost(500.0))],
            Self::Classes => vec![(CriticalServed, AtLeast(99.5)), (Goodput, AtLeast(97.0))],
            Self::Tenants => vec![(WorstServed, AtLeast(99.0)), (Goodput, Nothing)],
        }
    }
}

impl Quantity {
    fn name(self) -> &'static str {
        match self {
            Self::Goodput => GOODPUT,
            Self::P99 => P99,
            Self::FalseSheds => "false sheds, %",
            Self::GoodputOfThePossible => "goodput, % of the possible",
            Self::Back => "back to 95 % after, ms",
            Self::GoodputAfter => "goodput after, % of offered",
            Self::Settled => "until 90 % and p99 in bounds, ms",
            Self::CriticalServed => "critical served, %",
            Self::WorstServed => "worst of the nine served, %",
        }
    }
}

impl Run<'_> {
    pub(super) fn figures(&self) -> Vec<Figure> {
        let demands = self.measure.demands(self.bound()).into_iter();
        demands.map(|(what, must)| Figure { what: what.name(), value: self.value(what), must }).collect()
    }

    fn value(&self, what: Quantity) -> f64 {
        let Self { account, capacity, span, .. } = self;
        match what {
            Quantity::Goodput => 100.0 * account.goodput(span) / capacity.rate,
            Quantity::P99 => or_never(account.latency(span, 0.99)),
            Quantity::FalseSheds => 100.0 * account.shed_share(span),
            Quantity::GoodputOfThePossible => {
                let done = account.goodput(span) * (span.end - span.start).as_secs_f64();
                100.0 * done / (self.possible() * capacity.rate)
            }
            Quantity::Back => {
                or_never(account.settles(self.rise(), span.end, 0.95 * capacity.rate, Duration::MAX))
            }
            Quantity::GoodputAfter => 100.0 * account.good_share(span),
            Quantity::Settled => {
                or_never(account.settles(span.start, span.end, 0.9 * capacity.rate, self.bound()))
            }
            Quantity::CriticalServed => self.served(Client(0)),
            Quantity::WorstServed => (1..=9).map(|client| self.served(Client(client))).fold(100.0, f64::min),
        }
    }

    /// The share of one client's requests that was served, in percent.
    fn served(&self, client: Client) -> f64 {
        100.0 * self.account.of(client).good_share(&self.span)
    }

    /// For how many seconds at its whole capacity the plant could have done as much as it could.
    fn possible(&self) -> f64 {
        let left = if let Measure::Fall { left, .. } = self.measure { left } else { 1.0 };
        let (rise, Span { start, end }) = (self.rise(), &self.span);
        (rise - *start).as_secs_f64() * left + (*end - rise).as_secs_f64()
    }

    /// From when on the plant could do all again.
    fn rise(&self) -> Duration {
        if let Measure::Fall { rise, .. } = self.measure { rise } else { self.span.start }
    }

    fn bound(&self) -> Duration {
        self.capacity.unloaded_p99 + TAIL
    }
}

fn or_never(time: Option<Duration>) -> f64 {
    time.map_or(f64::INFINITY, millis)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// What the figures show.
pub const GOODPUT: &str = "goodput, % of capacity";
/// What the figures show.
pub const P99: &str = "p99 of the admitted, ms";

/// What an overload may add to the unloaded p99.
const TAIL: Duration = Duration::from_millis(50);
