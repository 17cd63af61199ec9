//! What is promised of a service, and what counts against it.

use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::Result;
use crate::telemetry::Registry;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Of a hundred requests, over 30 days, so many must not be errors
    #[arg(long, value_name = "PERCENT", default_value = "99.9")]
    objective: f64,

    /// Of a hundred requests, over 30 days, so many must take no longer than the threshold
    #[arg(long, value_name = "PERCENT", default_value = "99")]
    latency_objective: f64,

    /// How long a request may take, from its arrival to the last byte of its response: one of the buckets' bounds
    #[arg(long, value_name = "DURATION", default_value = "250ms", value_parser = humantime::parse_duration)]
    latency_threshold: Duration,

    /// How a request counts whose client went away before it was over
    #[arg(long, value_name = "COUNTS", default_value = "not", value_enum)]
    cancelled: Counts,

    /// How a request counts that was refused for load
    #[arg(long, value_name = "COUNTS", default_value = "error", value_enum)]
    shed: Counts,

    /// Prometheus' `job` of the service; by default every job that exposes the metrics has these objectives
    #[arg(long, value_name = "NAME")]
    job: Option<String>,

    /// The folder for the files
    #[arg(long, value_name = "FOLDER", default_value = "slo")]
    pub(super) out: String,

    /// Write nothing; fail where the files are not current
    #[arg(long)]
    pub(super) check: bool,
}

/// Whether requests of a kind are the service's fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Counts {
    /// As an error
    Error,
    /// Not at all: neither among the errors nor among the requests
    Not,
}

/// The options, checked.
#[derive(Debug, PartialEq)]
pub(super) struct Objectives {
    /// The share of requests that may be errors.
    pub(super) errors: f64,
    /// The share of requests that may be slow.
    pub(super) slow: f64,
    /// In seconds; a bound of a bucket.
    pub(super) threshold: f64,
    /// The values of `error_type` of requests that do not count at all.
    pub(super) left_out: Vec<&'static str>,
    pub(super) job: Option<String>,
}

impl Default for Args {
    fn default() -> Self {
        /// An argument list needs a command around it to be parsed.
        #[derive(Parser)]
        struct Alone {
            #[command(flatten)]
            args: Args,
        }
        Alone::parse_from(["slo"]).args
    }
}

impl Objectives {
    /// # Errors
    /// Where an objective cannot be alerted on, or the threshold is no bound of a bucket; the error says what is possible.
    pub(super) fn of(args: &Args, registry: &Registry) -> Result<Self> {
        let mut left_out = Vec::new();
        for (word, counts) in [("cancelled", args.cancelled), ("shed", args.shed)] {
            if !registry.errors.iter().any(|error| error == word) {
                return Err(format!("no request has the error_type `{word}`").into());
            }
            if counts == Counts::Not {
                left_out.push(word);
            }
        }
        Ok(Self {
            errors: budget("--objective", args.objective)?,
            slow: budget("--latency-objective", args.latency_objective)?,
            threshold: bound(args.latency_threshold, &registry.bounds)?,
            left_out,
            job: args.job.clone(),
        })
    }
}

/// The share of requests that may fail.
fn budget(option: &str, objective: f64) -> Result<f64> {
    // What is typed has few digits, and 100 - 99.9 is not 0.1.
    let budget = ((100.0 - objective) * 1e7).round() / 1e9;
    if budget > 0.0 && budget * FASTEST < 1.0 {
        return Ok(budget);
    }
    let least = 100.0 - 100.0 / FASTEST;
    Err(format!(
        "{option}: {objective} cannot be alerted on, since the first alert is for {FASTEST} times the errors that it allows: more than {least:.2} and less than 100 can"
    )
    .into())
}

/// The fastest burn that there is an alert for.
const FASTEST: f64 = 14.4;

/// Of what is between two bounds Prometheus can only guess how many requests were below it.
fn bound(threshold: Duration, bounds: &[f64]) -> Result<f64> {
    let threshold = threshold.as_secs_f64();
    if bounds.contains(&threshold) {
        return Ok(threshold);
    }
    let bounds: Vec<_> = bounds
        .iter()
        .map(|bound| humantime::format_duration(Duration::from_secs_f64(*bound)).to_string())
        .collect();
    Err(format!(
        "--latency-threshold: {threshold} s is no bound of a bucket, so that nobody can tell how many requests took longer; these are: {}",
        bounds.join(", ")
    )
    .into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &Args) -> Result<Objectives> {
        Objectives::of(args, &Registry::now())
    }

    #[test]
    fn by_default_one_in_a_thousand_may_fail_and_one_in_a_hundred_be_slow() {
        let objectives = of(&Args::default()).unwrap();
        assert_eq!((objectives.errors, objectives.slow, objectives.threshold), (0.001, 0.01, 0.25));
        assert_eq!(objectives.left_out, ["cancelled"]);
    }

    #[test]
    fn a_threshold_between_two_bounds_is_refused_with_a_list_of_the_bounds() {
        for (threshold, is_bound) in [(249, false), (250, true), (251, false), (10_000, true)] {
            let args = Args { latency_threshold: Duration::from_millis(threshold), ..Args::default() };
            assert_eq!(of(&args).is_ok(), is_bound, "{threshold}");
        }
        let args = Args { latency_threshold: Duration::from_millis(300), ..Args::default() };
        let error = of(&args).unwrap_err().to_string();
        assert!(error.starts_with("--latency-threshold: 0.3 s is no bound"), "{error}");
        assert!(error.ends_with("these are: 5ms, 10ms, 25ms, 50ms, 75ms, 100ms, 250ms, 500ms, 750ms, 1s, 2s 500ms, 5s, 7s 500ms, 10s"), "{error}");
    }

    #[test]
    fn an_objective_whose_first_alert_could_never_fire_is_refused() {
        for (objective, is_fit) in
            [(100.0, false), (99.999, true), (93.06, true), (93.05, false), (0.0, false)]
        {
            assert_eq!(of(&Args { objective, ..Args::default() }).is_ok(), is_fit, "{objective}");
        }
        assert!(of(&Args { objective: f64::NAN, ..Args::default() }).is_err());
    }

    #[test]
    fn who_counts_is_an_option() {
        let args = Args { cancelled: Counts::Error, shed: Counts::Not, ..Args::default() };
        assert_eq!(of(&args).unwrap().left_out, ["shed"]);
    }
}
