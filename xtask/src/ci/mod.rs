//! `cargo xtask ci`: what `.ci/run` runs, and the same on a desk.

mod hello;
mod jobs;
mod slow_clients;
mod summary;

use clap::builder::PossibleValuesParser;

use self::jobs::{JOBS, Job};
use self::summary::{Outcome, Summary};
use crate::Result;
use crate::stopwatch::Stopwatch;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Jobs to run; all of them where none is named
    #[arg(value_name = "JOB", value_parser = names())]
    jobs: Vec<String>,

    /// Leave a job out; may be repeated
    #[arg(long, value_name = "JOB", value_parser = names())]
    skip: Vec<String>,

    /// Say what jobs there are, and run none
    #[arg(long)]
    list: bool,

    /// Run the other jobs too when one has failed
    #[arg(long)]
    keep_going: bool,

    /// Package what is not committed: for a desk, never for CI
    #[arg(long)]
    allow_dirty: bool,
}

impl Args {
    fn chooses(&self, job: &Job) -> bool {
        let named = |names: &[String]| names.iter().any(|name| name == job.name);
        (self.jobs.is_empty() || named(&self.jobs)) && !named(&self.skip)
    }
}

fn names() -> PossibleValuesParser {
    PossibleValuesParser::new(JOBS.iter().map(|job| job.name))
}

/// Runs the chosen jobs in the order of the list, whatever the order in which they were named.
///
/// # Errors
/// Where a job failed, with the names of those that did.
pub(crate) fn run(args: &Args) -> Result {
    let chosen: Vec<&Job> = JOBS.iter().filter(|job| args.chooses(job)).collect();
    if args.list {
        for job in chosen {
            println!("{:9} {}", job.name, job.shows);
        }
        return Ok(());
    }
    let summary = run_jobs(&chosen, args);
    print!("\n{summary}");
    match summary.failed() {
        failed if failed.is_empty() => Ok(()),
        failed => Err(format!("ci failed: {}", failed.join(", ")).into()),
    }
}

fn run_jobs(jobs: &[&Job], args: &Args) -> Summary {
    let mut summary = Summary::default();
    let mut stopped = false;
    for job in jobs {
        if stopped {
            summary.add(job.name, Outcome::NotRun);
            continue;
        }
        println!("\n=== {}: {}", job.name, job.shows);
        let stopwatch = Stopwatch::start();
        match (job.run)(args) {
            Ok(()) => summary.add(job.name, Outcome::Passed(stopwatch.elapsed())),
            Err(error) => {
                println!("=== {} FAILED: {error}", job.name);
                summary.add(job.name, Outcome::Failed(stopwatch.elapsed()));
                stopped = !args.keep_going;
            }
        }
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSES: Job = Job { name: "passes", shows: "", run: |_| Ok(()) };
    const FAILS: Job = Job { name: "fails", shows: "", run: |_| Err("on purpose".into()) };
    const ARGS: Args =
        Args { jobs: Vec::new(), skip: Vec::new(), list: false, keep_going: false, allow_dirty: false };

    #[test]
    fn the_first_failure_stops_the_rest() {
        let summary = run_jobs(&[&PASSES, &FAILS, &PASSES], &ARGS).to_string();
        let rows: Vec<_> = summary.lines().skip(1).collect();
        assert!(rows[0].ends_with("ok") && rows[1].ends_with("FAILED") && rows[2].ends_with("not run"));
    }

    #[test]
    fn keep_going_runs_the_rest_and_still_fails() {
        let summary = run_jobs(&[&FAILS, &PASSES], &Args { keep_going: true, ..ARGS });
        assert_eq!(summary.failed(), ["fails"]);
        assert!(!summary.to_string().contains("not run"));
    }

    #[test]
    fn all_jobs_but_the_skipped_or_only_the_named() {
        let chosen = |args: &Args| [&PASSES, &FAILS].map(|job| args.chooses(job));
        assert_eq!(chosen(&ARGS), [true, true]);
        assert_eq!(chosen(&Args { skip: vec!["fails".into()], ..ARGS }), [true, false]);
        assert_eq!(chosen(&Args { jobs: vec!["fails".into()], ..ARGS }), [false, true]);
    }
}
