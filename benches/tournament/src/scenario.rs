//! What is offered, what is measured, and what is demanded.

mod measure;

use std::time::Duration;

pub use self::measure::{GOODPUT, P99};
use self::measure::{Measure, Run};
use crate::{
    account::Account,
    arm::Arm,
    capacity::Capacity,
    plant::{Change, Kind, SLOTS},
    schedule::{Schedule, Stretch},
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
    /// From when on it counts.
    from: Duration,
    measure: Measure,
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
            from: seconds(4.0),
            measure: Measure::Aftermath,
        });
        all.push(Self {
            name: "step from 0.5× to 3×".into(),
            kind: Kind::Pool,
            stretches: vec![(2.0, 0.5), (3.0, 3.0)],
            clients: vec![1.0],
            changes: Vec::new(),
            from: seconds(2.0),
            measure: Measure::Step,
        });
        all.push(Self {
            name: "half critical, half sheddable, 2×".into(),
            clients: vec![0.5, 0.5],
            measure: Measure::Classes,
            ..Self::steady(Kind::Pool, 2.0, lengths)
        });
        // A tenth each: one asks for 20 times that, and nine for half of it.
        let (greedy, modest) = (20.0 * 0.1, 0.5 * 0.1);
        let load = greedy + 9.0 * modest;
        all.push(Self {
            name: "one tenant at 20×, nine at half their share".into(),
            clients: [greedy].into_iter().chain([modest; 9]).map(|part| part / load).collect(),
            measure: Measure::Tenants,
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
            from: seconds(lengths.settle),
            measure: Measure::Steady { kind, load },
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
            from: fall,
            measure: Measure::Fall { rise, left },
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
            (Arm::Ours, Measure::Classes) => Arm::OursByClass,
            (Arm::Ours, Measure::Tenants) => Arm::OursByTenant,
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
        Run { account, capacity, span: self.from..end, measure: self.measure }.figures()
    }
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

const POINTS: [f64; 8] = [0.8, 0.9, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0];
const TABLE_POINTS: [f64; 5] = [0.8, 0.9, 2.0, 3.0, 10.0];
const FEWER_SLOTS: u32 = 5;
