//! The table of all laws, as Markdown.

mod hardships;

pub use self::hardships::{leaving, rate_limited, retrying, shared, wide};

use std::fmt::{self, Write as _};

use crate::{
    backend::{Backend, Change},
    clients::Clients,
    law::Law,
    plant::Plant,
    trial::{Overload, Stand},
    work::Work,
};

/// Writes the table: for each law and trial the mean over the seeds, and the worst of them. Ours, and the fixed limit that
/// is best for the plant, are measured over more seeds than the others, since it is their difference that counts.
///
/// # Errors
///
/// If `to` does not take it.
pub fn write(to: &mut impl fmt::Write, laws: &[Law], seeds: u64) -> fmt::Result {
    write!(to, "| trial | must | best fixed |")?;
    for law in laws {
        write!(to, " {law} |")?;
    }
    writeln!(to, "\n|---|---|---|{}", "---|".repeat(laws.len()))?;
    for row in rows() {
        let best = if row.best.is_empty() { "–".into() } else { row.unit.cell(&row.best) };
        write!(to, "| {} | {} | {best} |", row.name, row.must)?;
        for &law in laws {
            let seeds = if law == Law::Knee { OFTEN } else { seeds };
            let values: Vec<f64> = (1..=seeds).map(|seed| (row.measure)(law, seed)).collect();
            write!(to, " {} |", row.unit.cell(&values))?;
        }
        writeln!(to)?;
    }
    Ok(())
}

/// Writes how the limit moved in an hour at three times the capacity, for each law.
///
/// # Errors
///
/// If `to` does not take it.
pub fn write_hour(to: &mut impl fmt::Write, laws: &[Law]) -> fmt::Result {
    writeln!(to, "| law | mean limit | slope an hour | its 95 % interval |\n|---|---|---|---|")?;
    let stand = pool(16, 0.02);
    for &law in laws {
        let drift = stand.drift(60, law, 1);
        let (low, high) = (drift.slope - drift.margin, drift.slope + drift.margin);
        writeln!(to, "| {law} | {:.1} | {:+.2} | {low:+.2} to {high:+.2} |", drift.limit, drift.slope)?;
    }
    Ok(())
}

/// A pool of `slots` with lognormal work, and clients who give up after half a second, or after ten times the work
/// where that is more.
#[must_use]
pub fn pool(slots: u32, mean: f64) -> Stand {
    stand(Backend::Pool { slots }, Work::lognormal(mean), slots)
}

/// The same with service times that grow with concurrency, so that `knee` in flight is best.
#[must_use]
pub fn contended(knee: u32, mean: f64) -> Stand {
    stand(Backend::contended(knee), Work::lognormal(mean), knee)
}

/// A pool of 16 with exponential work, whose throughput varies four times as much.
#[must_use]
pub fn exponential() -> Stand {
    stand(Backend::Pool { slots: 16 }, Work::Exponential { mean: 0.02 }, 16)
}

/// A pool of 16 in which 5 % of the requests are 20 times slower than the rest.
#[must_use]
pub fn mixed() -> Stand {
    stand(Backend::Pool { slots: 16 }, Work::Mixed { mean: 0.02, slow: 0.05, times: 20.0 }, 16)
}

fn stand(backend: Backend, work: Work, knee: u32) -> Stand {
    let clients = Clients::patient_for((10.0 * work.mean()).max(0.5));
    Stand::new(Plant { backend, work, clients }, 3 * knee)
}

struct Row {
    name: String,
    must: String,
    /// What the limit reaches that is best for the plant, held fixed, where it is known which that is.
    best: Vec<f64>,
    measure: Box<dyn Fn(Law, u64) -> f64>,
    unit: Unit,
}

#[derive(Clone, Copy)]
enum Unit {
    /// A share; the least is the worst.
    Share,
    /// A share; the most is the worst.
    Loss,
    Millis,
}

impl Unit {
    fn cell(self, values: &[f64]) -> String {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let mut cell = String::new();
        let written = match self {
            Self::Share => write!(cell, "{:.1} % ({:.1})", 100.0 * mean, 100.0 * least),
            Self::Loss => write!(cell, "{:.2} % ({:.2})", 100.0 * mean, 100.0 * most),
            Self::Millis if mean.is_infinite() => {
                write!(cell, "never in {}", values.iter().filter(|v| v.is_infinite()).count())
            }
            Self::Millis => write!(cell, "{:.0} ms ({:.0})", 1e3 * mean, 1e3 * most),
        };
        written.expect("a string takes everything");
        cell
    }
}

fn rows() -> Vec<Row> {
    let mut rows = Rows(Vec::new());
    of_overloads(&mut rows);
    of_other_loads(&mut rows);
    hardships::add(&mut rows);
    rows.0
}

struct Rows(Vec<Row>);

impl Rows {
    fn add(&mut self, name: &str, must: &str, unit: Unit, measure: impl Fn(Law, u64) -> f64 + 'static) {
        self.add_beside(Vec::new(), name, must, unit, measure);
    }

    fn add_beside(
        &mut self,
        best: Vec<f64>,
        name: &str,
        must: &str,
        unit: Unit,
        measure: impl Fn(Law, u64) -> f64 + 'static,
    ) {
        self.0.push(Row { name: name.into(), must: must.into(), best, measure: Box::new(measure), unit });
    }
}

fn of_overloads(rows: &mut Rows) {
    let mut stands = Vec::new();
    for (kind, make) in [("FIFO", pool as fn(u32, f64) -> Stand), ("contended", contended)] {
        for slots in [4, 16, 64] {
            for mean in [0.002, 0.02, 0.2] {
                let name = format!("{kind} {slots} × {} ms", mean * 1e3);
                stands.push((name, make(slots, mean), Law::Fixed(slots)));
            }
        }
    }
    stands.push(("FIFO 16 × 20 ms, exponential".into(), exponential(), Law::Fixed(16)));
    for (name, stand, best) in stands {
        for (times, must) in [(2.0, "≥ 97 %"), (3.0, "≥ 97 %"), (10.0, "≥ 95 %")] {
            let run = move |law, seed| stand.overload(times, law, seed);
            add_overload(rows, &format!("{name} at {times}×"), must, "the unloaded", best, run);
        }
        if stand.plant.work.mean() > 0.02 {
            let run = move |law, seed| stand.cold(10.0, law, seed);
            let name = format!("{name} at 10×, from the fifth second on");
            add_overload(rows, &name, "≥ 95 %", "the unloaded", best, run);
        }
    }
}

fn add_overload(
    rows: &mut Rows,
    name: &str,
    must: &str,
    than: &str,
    best: Law,
    run: impl Fn(Law, u64) -> Overload + Copy + 'static,
) {
    let runs: Vec<Overload> = (1..=OFTEN).map(|seed| run(best, seed)).collect();
    let goodput = runs.iter().map(|run| run.goodput).collect();
    rows.add_beside(goodput, &format!("{name}: goodput"), must, Unit::Share, move |law, seed| {
        run(law, seed).goodput
    });
    let late: Vec<f64> = runs.iter().map(|run| run.late).collect();
    // Where the best limit there is does not reach it, that is what there is to reach.
    let reached = late.iter().sum::<f64>() / late.len() as f64;
    let must = if reached <= 0.05 { "≤ 50 ms".into() } else { format!("{best}: {:.0} ms", 1e3 * reached) };
    rows.add_beside(late, &format!("{name}: p99 over {than}"), &must, Unit::Millis, move |law, seed| {
        run(law, seed).late
    });
}

fn of_other_loads(rows: &mut Rows) {
    let (plain, mixed, close) = (pool(16, 0.02), mixed(), contended(16, 0.02));
    for times in [0.8, 0.9] {
        let sheds = move |law, seed| plain.false_sheds(times, law, seed);
        rows.add(&format!("false sheds at {times}×"), "≤ 0.1 %", Unit::Loss, sheds);
    }
    for times in [0.8, 0.9] {
        let sheds = move |law, seed| close.false_sheds(times, law, seed);
        rows.add(&format!("contended 16 × 20 ms at {times}×: sheds"), "as few", Unit::Loss, sheds);
        let served = move |law, seed| close.served(times, law, seed);
        rows.add(&format!("contended 16 × 20 ms at {times}×: served"), "as many", Unit::Share, served);
    }
    let sheds = move |law, seed| mixed.false_sheds(0.7, law, seed);
    rows.add("false sheds at 0.7×, 5 % 20 times slower", "≤ 0.1 %", Unit::Loss, sheds);
    for (name, changes, share) in
        [("slots 16, 5, 16", SLOTS, 5.0 / 16.0), ("work 20, 60, 20 ms", WORK, 1.0 / 3.0)]
    {
        let goodput = move |law, seed| plain.dip(3.0, changes, share, law, seed).goodput;
        rows.add(&format!("{name} at 3×: goodput of what was possible"), "≥ 95 %", Unit::Share, goodput);
        let back = move |law, seed| plain.dip(3.0, changes, share, law, seed).back;
        rows.add(&format!("{name} at 3×: until back at 95 %"), "≤ 1000 ms", Unit::Millis, back);
    }
    rows.add("4 s at 10×, then 0.7×: goodput of 6 s", "≥ 99 %", Unit::Share, move |law, seed| {
        plain.aftermath(law, seed)
    });
    rows.add("0.5× to 3×: until settled", "≤ 500 ms", Unit::Millis, move |law, seed| {
        plain.surge(law, seed)
    });
    rows.add("every call times out: until at 1", "3 windows", Unit::Millis, move |law, seed| {
        plain.stall(law, seed)
    });
}

/// Over how many seeds ours and the best fixed limit are measured: five are worth a percent of goodput, and 20 ms.
const OFTEN: u64 = 20;
const SLOTS: (Change, Change) = (Change::Slots(5), Change::Slots(16));
const WORK: (Change, Change) = (Change::Slowness(3.0), Change::Slowness(1.0));
