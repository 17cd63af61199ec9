//! What the services do that are asked over HTTP.

use crate::scenario::Must;

/// A handler of `examples/torture`, and of the services that stand beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Handler {
    /// Burns CPU for 2 ms: no more than one request is ever in flight in one worker, whatever the limit.
    Spin,
    /// Holds one of 16 slots for 20 ms.
    Pool,
}

impl Handler {
    pub(super) const ALL: [Self; 2] = [Self::Spin, Self::Pool];

    /// Its row in the tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Spin => "2 ms of CPU over HTTP",
            Self::Pool => "FIFO pool over HTTP",
        }
    }

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Spin => "/spin?ms=2",
            Self::Pool => "/pool?ms=20",
        }
    }

    /// How many clients one after the other keep it busy, and no busier.
    pub(super) fn clients(self) -> usize {
        match self {
            Self::Spin => 8,
            Self::Pool => 24,
        }
    }

    /// The loads at which it is tried, in capacities.
    pub(super) fn loads(self) -> &'static [f64] {
        match self {
            Self::Spin => &[0.8, 3.0],
            Self::Pool => &[0.8, 3.0, 10.0],
        }
    }

    pub(super) fn most_shed(self, load: f64) -> Must {
        match self {
            _ if load > 1.0 => Must::Nothing,
            Self::Spin => Must::AtMost(1.0),
            Self::Pool => Must::AtMost(0.1),
        }
    }

    pub(super) fn least_goodput(self, load: f64) -> Must {
        match self {
            _ if load < 1.0 => Must::Nothing,
            Self::Spin => Must::AtLeast(90.0),
            Self::Pool => Must::AtLeast(if load < 10.0 { 97.0 } else { 95.0 }),
        }
    }

    pub(super) fn latest(self, load: f64) -> Must {
        match self {
            _ if load < 1.0 => Must::Nothing,
            Self::Spin => Must::AtMost(50.0),
            // What it takes unloaded, and 50 ms.
            Self::Pool => Must::AtMost(70.0),
        }
    }
}
