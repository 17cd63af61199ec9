//! The table at the end: every job, its seconds, how it went.

use std::fmt;
use std::time::Duration;

#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Passed(Duration),
    Failed(Duration),
    /// An earlier job failed.
    NotRun,
}

#[derive(Default)]
pub(super) struct Summary(Vec<(&'static str, Outcome)>);

impl Summary {
    pub(super) fn add(&mut self, job: &'static str, outcome: Outcome) {
        self.0.push((job, outcome));
    }

    pub(super) fn failed(&self) -> Vec<&'static str> {
        let failed = self.0.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Failed(_)));
        failed.map(|(job, _)| *job).collect()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:9} {:>8}", "job", "seconds")?;
        let mut total = Duration::ZERO;
        for &(job, outcome) in &self.0 {
            let (took, word) = match outcome {
                Outcome::Passed(took) => (took, "ok"),
                Outcome::Failed(took) => (took, "FAILED"),
                Outcome::NotRun => {
                    writeln!(f, "{job:9} {:>8}  not run", "-")?;
                    continue;
                }
            };
            total += took;
            writeln!(f, "{job:9} {:>8.1}  {word}", took.as_secs_f64())?;
        }
        writeln!(f, "{:9} {:>8.1}", "total", total.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_a_row_for_every_job_and_the_sum() {
        let mut summary = Summary::default();
        summary.add("fmt", Outcome::Passed(Duration::from_millis(400)));
        summary.add("clippy", Outcome::Failed(Duration::from_millis(12_300)));
        summary.add("docs", Outcome::NotRun);
        let expected = "\
job        seconds
fmt            0.4  ok
clippy        12.3  FAILED
docs             -  not run
total         12.7
";
        assert_eq!(summary.to_string(), expected);
        assert_eq!(summary.failed(), ["clippy"]);
    }
}
