//! What telemetry costs where it is not one request after another.
//!
//! `cargo run --release -p macadam-telemetry-bench` prints three tables, each of which has in it, in one run, what its figures
//! are to be compared with: two threads on one route, beside arithmetic on the same two processors; the text of 200 routes, and
//! requests meanwhile; and the processor time of a request while the collector is healthy, dead, or hangs. It takes a quiet
//! machine with two processors, and some two minutes; nothing is asserted.
#![expect(clippy::print_stdout, reason = "the tables are what this program is for")]

mod collector;
mod exposition;
mod requests;
mod threads;

fn main() {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        // What the third table runs.
        [collector::CHILD, to] => collector::child(to),
        ["threads"] => threads::table(),
        ["exposition"] => exposition::table(),
        ["collector"] => collector::table(),
        _ => {
            threads::table();
            exposition::table();
            collector::table();
        }
    }
}

/// That which half of them are below.
fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    of[of.len() / 2]
}
