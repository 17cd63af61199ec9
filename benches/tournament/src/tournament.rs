//! The whole of it.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    account::Account,
    arm::Arm,
    capacity::Capacity,
    http,
    plant::Kind,
    race::{Lane, Race},
    scenario::{Figure, Lengths, Must, Scenario},
};

/// What to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long runs are.
    pub lengths: Lengths,
    /// How often each scenario is run, with other arrivals each time.
    pub seeds: u64,
    /// How long a plant is asked for its capacity, in seconds.
    pub asked: f64,
    /// Only scenarios whose names contain this.
    pub scenario: Option<String>,
    /// Only these arms; all if empty.
    pub arms: Vec<String>,
}

impl Plan {
    /// Three seeds and all points of the figures: twenty minutes.
    pub fn full() -> Self {
        let lengths = Lengths { settle: SETTLE, measured: 3.0, all_points: true };
        Self { lengths, seeds: 3, asked: 4.0, scenario: None, arms: Vec::new() }
    }

    /// One seed and the points of the tables: five minutes.
    pub fn quick() -> Self {
        let lengths = Lengths { settle: SETTLE, measured: 2.0, all_points: false };
        Self { lengths, seeds: 1, asked: 1.5, scenario: None, arms: Vec::new() }
    }

    pub(crate) fn wants(&self, scenario: &str) -> bool {
        self.scenario.as_deref().is_none_or(|part| scenario.contains(part))
    }

    pub(crate) fn arms(&self, tuned: usize) -> Vec<Arm> {
        let named = |arm: &Arm| self.arms.iter().any(|name| arm.to_string().starts_with(name));
        let wanted = |arm: &Arm| self.arms.is_empty() || named(arm);
        Arm::all(tuned).into_iter().filter(wanted).collect()
    }
}

/// What came out.
#[derive(Debug, Default)]
pub struct Outcome {
    /// What each plant can do, and the fixed limit that does best before it.
    pub plants: BTreeMap<Kind, (Capacity, usize)>,
    /// What one worker can do over HTTP: what is asked of it, in requests a second, and by how many clients.
    pub over_http: Vec<(&'static str, f64, usize)>,
    /// In the order in which scenarios were run first.
    pub rows: Vec<Row>,
    /// Runs that did not count, since the generator was late, and were run again.
    pub void: u32,
    /// Runs that were void each time, and count none the less: their figures say little.
    pub late: Vec<String>,
}

/// A figure of a scenario, for all arms.
#[derive(Debug)]
pub struct Row {
    /// The scenario.
    pub scenario: String,
    /// The plant and the load in capacities, if it was the same throughout.
    pub point: Option<(Kind, f64)>,
    /// What the values are.
    pub what: &'static str,
    /// What they have to be.
    pub must: Must,
    /// By arm, a value a seed.
    pub values: BTreeMap<&'static str, Vec<f64>>,
}

impl Outcome {
    /// Runs all that `plan` asks for, telling `progress` what is being done; `trace` sees every account.
    pub fn of(
        plan: &Plan,
        mut progress: impl FnMut(&str),
        mut trace: impl FnMut(&str, Arm, &Account),
    ) -> Self {
        let mut outcome = Self::default();
        let scenarios: Vec<_> =
            Scenario::all(plan.lengths).into_iter().filter(|scenario| plan.wants(&scenario.name)).collect();
        for kind in [Kind::Pool, Kind::PoolWithSlowOnes, Kind::Contended] {
            if scenarios.iter().any(|scenario| scenario.kind == kind) {
                outcome.look_at(kind, plan, &mut progress);
            }
        }
        for seed in 1..=plan.seeds {
            for scenario in &scenarios {
                progress(&format!("{}, seed {seed}", scenario.name));
                let (capacity, tuned) = outcome.plants[&scenario.kind];
                // Who runs beside whom changes with the seed.
                let mut arms = plan.arms(tuned);
                let turn = 3 * seed as usize % arms.len().max(1);
                arms.rotate_left(turn);
                for (arm, account) in outcome.race(scenario, &capacity, &arms, seed) {
                    trace(&scenario.name, arm, &account);
                    let point = scenario.load().map(|load| (scenario.kind, load));
                    for figure in scenario.figures(&account, &capacity) {
                        outcome.note(&scenario.name, point, arm, figure);
                    }
                }
            }
        }
        http::run(plan, &mut outcome, &mut progress, &mut trace);
        outcome
    }

    /// Measures a plant, and tunes the fixed limit for it.
    fn look_at(&mut self, kind: Kind, plan: &Plan, progress: &mut impl FnMut(&str)) {
        let capacity = Capacity::measure(kind, Duration::from_secs_f64(plan.asked));
        progress(&format!(
            "{}: {:.0}/s in a closed loop of {}, unloaded p99 {:.0} ms",
            kind.name(),
            capacity.rate,
            capacity.clients,
            capacity.unloaded_p99.as_secs_f64() * 1e3
        ));
        let tuned = if plan.arms(0).iter().any(|arm| matches!(arm, Arm::Tuned(_))) {
            self.tune(kind, &capacity, plan.lengths)
        } else {
            capacity.clients
        };
        progress(&format!("{}: the best fixed limit is {tuned}", kind.name()));
        self.plants.insert(kind, (capacity, tuned));
    }

    /// The smallest limit whose goodput at twice the capacity is within half a per cent of the best.
    fn tune(&mut self, kind: Kind, capacity: &Capacity, lengths: Lengths) -> usize {
        let twice = Scenario::steady(kind, 2.0, lengths);
        let arms = LIMITS.map(Arm::Tuned);
        let runs = self.race(&twice, capacity, &arms, 0);
        let goodput = |account: &Account| twice.figures(account, capacity)[0].value;
        let best = runs.iter().fold(0.0, |best, (_, account)| goodput(account).max(best));
        let close = runs.iter().zip(LIMITS).find(|((_, account), _)| goodput(account) >= best - 0.5);
        close.expect("the best is close to itself").1
    }

    /// Runs the arms through the scenario, as many side by side as the machine takes without getting in their way.
    fn race(
        &mut self,
        scenario: &Scenario,
        capacity: &Capacity,
        arms: &[Arm],
        seed: u64,
    ) -> Vec<(Arm, Account)> {
        let schedule = scenario.schedule(capacity, seed);
        let abreast = ((ABREAST / scenario.peak(capacity)) as usize).clamp(1, 8);
        let mut accounts = Vec::new();
        for arms in arms.chunks(abreast) {
            let race = self.not_void(&scenario.name, || {
                let lanes = arms.iter().map(|&arm| Lane::new(scenario.arm(arm), scenario.kind)).collect();
                Race::run(lanes, &schedule, scenario.changes())
            });
            accounts.extend(arms.iter().copied().zip(race.accounts));
        }
        accounts
    }

    fn not_void(&mut self, name: &str, run: impl Fn() -> Race) -> Race {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let race = run();
            if !race.is_void() {
                return race;
            }
            self.void += 1;
            if attempt == ATTEMPTS {
                self.late.push(name.to_owned());
                return race;
            }
        }
    }

    /// Notes a figure of an arm.
    pub fn note(&mut self, scenario: &str, point: Option<(Kind, f64)>, arm: Arm, figure: Figure) {
        let Figure { what, value, must } = figure;
        let row = match self.rows.iter().position(|row| row.scenario == scenario && row.what == what) {
            Some(index) => &mut self.rows[index],
            None => {
                self.rows.push(Row {
                    scenario: scenario.to_owned(),
                    point,
                    what,
                    must,
                    values: BTreeMap::new(),
                });
                self.rows.last_mut().expect("it was pushed just now")
            }
        };
        row.values.entry(arm.name()).or_default().push(value);
    }
}

impl Row {
    /// The median of an arm's values, if it took part.
    pub fn median(&self, arm: &str) -> Option<f64> {
        let mut values = self.values.get(arm)?.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied()
    }
}

/// In seconds. little-loadshedder begins with one at a time, and takes that long to climb to 16.
const SETTLE: f64 = 5.5;
/// Requests a second in one process, over all lanes, with which the machine is far from busy.
const ABREAST: f64 = 25_000.0;
const ATTEMPTS: u32 = 3;
const LIMITS: [usize; 8] = [12, 14, 16, 18, 20, 24, 32, 48];
