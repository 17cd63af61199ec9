//! What is offered, what is measured, and what is demanded.

use std::time::Duration;

use crate::{
    account::{Account, Span},
    arm::Arm,
    capacity::Capacity,
    plant::{Change, Kind, SLOTS},
    schedule::{Client, Schedule, Stretch},
};

/// A run that every arm goes through.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its row in the tables.
    pub name: String,
    /// What stands behind the arms.
    pub kind: Kind,
    /// Seconds, and the load in capacities.
    stretches: Vec<(f64, f64)>,
    /// Whose the requests are: for each client, his part of the load.
    clients: Vec<f64>,
    changes: Vec<(Duration, Change)>,
    measure: Measure,
}

#[derive(Clone, Copy, Debug)]
enum Measure {
    /// One load, from when the arms have had their time to settle.
    Steady { load: f64, from: Duration },
    /// The plant can do a third of what it could between these two.
    Fall { fall: Duration, rise: Duration, left: f64 },
    /// From here on there is room again.
    Aftermath { from: Duration },
    /// From here on there is too much.
    Step { at: Duration },
    /// Client 0 is critical, and client 1 is sheddable.
    Classes { from: Duration },
    /// Client 0 asks for far more than his share, and the others for less than theirs.
    Tenants { from: Duration },
}

/// A figure of a run, and what it is measured against.
#[derive(Clone, Copy, Debug)]
pub struct Figure {
    /// What it is, with its unit.
    pub what: &'static str,
    /// Infinite where something never came about.
    pub value: f64,
    /// What it has to be.
    pub must: Must,
}

/// A demand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Must {
    /// Or more.
    AtLeast(f64),
    /// Or less.
    AtMost(f64),
    /// Nothing: it is there to be looked at.
    Nothing,
}

impl Must {
    /// Whether `value` is as demanded.
    pub fn holds(self, value: f64) -> bool {
        match self {
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::Nothing => false,
        }
    }
}

/// How long runs are.
#[derive(Clone, Copy, Debug)]
pub struct Lengths {
    /// Of a steady load, the time that arms have to settle, in seconds.
    pub settle: f64,
    /// And the time after it in which is measured.
    pub measured: f64,
    /// Whether all points of the figures are wanted, or only those that are in the tables.
    pub all_points: bool,
}

impl Scenario {
    /// All of them.
    pub fn all(lengths: Lengths) -> Vec<Self> {
        let mut all = Vec::new();
        for kind in [Kind::Pool, Kind::Contended] {
            let loads: &[f64] = if lengths.all_points { &POINTS } else { &TABLE_POINTS };
            all.extend(loads.iter().map(|&load| Self::steady(kind, load, lengths)));
        }
        all.push(Self::steady(Kind::PoolWithSlowOnes, 0.7, lengths));
        let third = f64::from(FEWER_SLOTS) / f64::from(SLOTS);
        all.push(Self::fall("16 → 5 → 16 slots", Change::Slots(FEWER_SLOTS), Change::Slots(SLOTS), third));
        all.push(Self::fall("20 → 60 → 20 ms", Change::Pace(300), Change::Pace(100), 1.0 / 3.0));
        all.push(Self {
            name: "4 s of 10×, then 0.7×".into(),
            kind: Kind::Pool,
            stretches: vec![(4.0, 10.0), (6.0, 0.7)],
            clients: vec![1.0],
            changes: Vec::new(),
            measure: Measure::Aftermath { from: seconds(4.0) },
        });
        all.push(Self {
            name: "step from 0.5× to 3×".into(),
            kind: Kind::Pool,
            stretches: vec![(2.0, 0.5), (3.0, 3.0)],
            clients: vec![1.0],
            changes: Vec::new(),
            measure: Measure::Step { at: seconds(2.0) },
        });
        let from = seconds(lengths.settle);
        all.push(Self {
            name: "half critical, half sheddable, 2×".into(),
            clients: vec![0.5, 0.5],
            measure: Measure::Classes { from },
            ..Self::steady(Kind::Pool, 2.0, lengths)
        });
        // A tenth each: one asks for 20 times that, and nine for half of it.
        let (greedy, modest) = (20.0 * 0.1, 0.5 * 0.1);
        let load = greedy + 9.0 * modest;
        all.push(Self {
            name: "one tenant at 20×, nine at half their share".into(),
            clients: [greedy].into_iter().chain([modest; 9]).map(|part| part / load).collect(),
            measure: Measure::Tenants { from },
            ..Self::steady(Kind::Pool, load, lengths)
        });
        all
    }

    /// One load throughout, in capacities.
    pub fn steady(kind: Kind, load: f64, lengths: Lengths) -> Self {
        Self {
            name: format!("{}, {load}×", kind.name()),
            kind,
            stretches: vec![(lengths.settle + lengths.measured, load)],
            clients: vec![1.0],
            changes: Vec::new(),
            measure: Measure::Steady { load, from: seconds(lengths.settle) },
        }
    }

    fn fall(name: &str, less: Change, back: Change, left: f64) -> Self {
        let (fall, rise) = (seconds(5.0), seconds(8.0));
        Self {
            name: format!("{name}, at 2×"),
            kind: Kind::Pool,
            stretches: vec![(11.0, 2.0)],
            clients: vec![1.0],
            changes: vec![(fall, less), (rise, back)],
            measure: Measure::Fall { fall, rise, left },
        }
    }

    /// The load of a steady run of clients who are all alike, in capacities.
    pub fn load(&self) -> Option<f64> {
        match self.measure {
            Measure::Steady { load, .. } => Some(load),
            _ => None,
        }
    }

    /// The highest rate that is offered.
    pub fn peak(&self, capacity: &Capacity) -> f64 {
        self.stretches.iter().fold(0.0, |peak, (_, load)| load.max(peak)) * capacity.rate
    }

    /// The arrivals that this seed gives.
    pub fn schedule(&self, capacity: &Capacity, seed: u64) -> Schedule {
        let of = |(client, part): (usize, &f64)| {
            let stretch = |&(seconds, load): &(f64, f64)| Stretch::new(seconds, part * load * capacity.rate);
            let stretches: Vec<_> = self.stretches.iter().map(stretch).collect();
            Schedule::poisson(seed + 1000 * client as u64, &stretches)
        };
        Schedule::together(&self.clients.iter().enumerate().map(of).collect::<Vec<_>>())
    }

    /// The arm as it is set up for this scenario.
    pub fn arm(&self, arm: Arm) -> Arm {
        match (arm, self.measure) {
            (Arm::Ours, Measure::Classes { .. }) => Arm::OursByClass,
            (Arm::Ours, Measure::Tenants { .. }) => Arm::OursByTenant,
            _ => arm,
        }
    }

    /// What happens to the plants, and when.
    pub fn changes(&self) -> &[(Duration, Change)] {
        &self.changes
    }

    /// What an arm achieved.
    pub fn figures(&self, account: &Account, capacity: &Capacity) -> Vec<Figure> {
        let end = seconds(self.stretches.iter().map(|(seconds, _)| seconds).sum());
        let bound = capacity.unloaded_p99 + TAIL;
        match self.measure {
            Measure::Steady { load, from } if load > 1.0 => {
                let goodput = if load >= 10.0 { 95.0 } else { 97.0 };
                vec![
                    self.goodput(account, &(from..end), capacity, Must::AtLeast(goodput)),
                    p99(account, &(from..end), Must::AtMost(millis(bound))),
                ]
            }
            Measure::Steady { load, from } => {
                let must = if load < 1.0 && self.kind != Kind::Contended {
                    Must::AtMost(0.1)
                } else {
                    Must::Nothing
                };
                let shed = 100.0 * account.shed_share(&(from..end));
                vec![
                    Figure { what: "false sheds, %", value: shed, must },
                    self.goodput(account, &(from..end), capacity, Must::Nothing),
                    p99(account, &(from..end), Must::Nothing),
                ]
            }
            Measure::Fall { fall, rise, left } => {
                let done = account.goodput(&(fall..end)) * (end - fall).as_secs_f64();
                let possible = (rise - fall).as_secs_f64() * left + (end - rise).as_secs_f64();
                let back = account.settles(rise, end, 0.95 * capacity.rate, Duration::MAX);
                vec![
                    Figure {
                        what: "goodput, % of the possible",
                        value: 100.0 * done / (possible * capacity.rate),
                        must: Must::AtLeast(95.0),
                    },
                    Figure {
                        what: "back to 95 % after, ms",
                        value: or_never(back),
                        must: Must::AtMost(1000.0),
                    },
                ]
            }
            Measure::Aftermath { from } => {
                let good = 100.0 * account.good_share(&(from..end));
                vec![Figure { what: "goodput after, % of offered", value: good, must: Must::AtLeast(99.0) }]
            }
            Measure::Step { at } => {
                let settles = account.settles(at, end, 0.9 * capacity.rate, bound);
                vec![Figure {
                    what: "until 90 % and p99 in bounds, ms",
                    value: or_never(settles),
                    must: Must::AtMost(500.0),
                }]
            }
            Measure::Classes { from } => {
                let critical = 100.0 * account.of(Client(0)).good_share(&(from..end));
                vec![
                    Figure { what: "critical served, %", value: critical, must: Must::AtLeast(99.5) },
                    self.goodput(account, &(from..end), capacity, Must::AtLeast(97.0)),
                ]
            }
            Measure::Tenants { from } => {
                let modest = (1..self.clients.len()).map(|client| account.of(Client(client as u8)));
                let worst = modest.map(|account| account.good_share(&(from..end))).fold(1.0, f64::min);
                vec![
                    Figure {
                        what: "worst of the nine served, %",
                        value: 100.0 * worst,
                        must: Must::AtLeast(99.0),
                    },
                    self.goodput(account, &(from..end), capacity, Must::Nothing),
                ]
            }
        }
    }

    fn goodput(&self, account: &Account, span: &Span, capacity: &Capacity, must: Must) -> Figure {
        Figure { what: GOODPUT, value: 100.0 * account.goodput(span) / capacity.rate, must }
    }
}

fn p99(account: &Account, span: &Span, must: Must) -> Figure {
    Figure { what: P99, value: or_never(account.latency(span, 0.99)), must }
}

fn or_never(time: Option<Duration>) -> f64 {
    time.map_or(f64::INFINITY, millis)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// What the figures show.
pub const GOODPUT: &str = "goodput, % of capacity";
/// What the figures show.
pub const P99: &str = "p99 of the admitted, ms";

const POINTS: [f64; 8] = [0.8, 0.9, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0];
const TABLE_POINTS: [f64; 5] = [0.8, 0.9, 2.0, 3.0, 10.0];
const FEWER_SLOTS: u32 = 5;
/// What an overload may add to the unloaded p99.
const TAIL: Duration = Duration::from_millis(50);
