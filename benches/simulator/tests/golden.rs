//! The same seed gives the same run, to the last bit, and the run that is written down here.
//!
//! A change of the law or of the plant changes it, and has to say so: `limit.csv` then gets what the failure prints.

use macadam_simulator::{Change, Law, Record, table};

fn run(seed: u64) -> Record {
    let load = [(2.0, 0.5), (10.0, 3.0), (3.0, 0.7)];
    let changes = [(6.0, Change::Slots(5)), (9.0, Change::Slots(16))];
    table::pool(16, 0.02).run(&load, &changes, Law::Knee, seed)
}

#[test]
fn the_limit_goes_the_way_that_is_written_down() {
    let record = run(1);
    let mut trace = String::from("second,limit,good\n");
    for (index, bin) in record.bins.iter().enumerate().filter(|(index, _)| index % 5 == 4) {
        trace += &format!("{:.1},{},{}\n", (index + 1) as f64 * Record::BIN, bin.limit, bin.good);
    }
    assert!(trace == include_str!("limit.csv"), "the run is now:\n{trace}");
}

#[test]
fn a_seed_gives_one_run_and_another_seed_another() {
    assert_eq!(run(1).fingerprint(), run(1).fingerprint());
    assert_ne!(run(1).fingerprint(), run(2).fingerprint());
}
