//! What the platform gives a process from its signal to its kill.

use std::{env, error::Error, ffi::OsString, fmt, str::FromStr, time::Duration};

/// What the platform gives a process from its signal to its kill, as an environment variable says it.
///
/// Kubernetes tells a container much about its pod and not its `terminationGracePeriodSeconds`, so charts and platforms
/// write it a second time, as the variable [`TERMINATION_GRACE_PERIOD_SECONDS`](Self::VARIABLE).
///
/// ```
/// use macadam_graceful_shutdown::{GracePeriod, Shutdown};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let budget = GracePeriod::from_env()?.map_or(Shutdown::BUDGET, GracePeriod::budget);
/// let shutdown = Shutdown::builder().budget(budget).build()?;
/// # drop(shutdown);
///
/// assert_eq!("60".parse::<GracePeriod>()?.budget().as_secs(), 58);
/// assert!("60s".parse::<GracePeriod>().is_err());
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracePeriod(Duration);

impl GracePeriod {
    /// The variable: a whole number of seconds.
    pub const VARIABLE: &'static str = "TERMINATION_GRACE_PERIOD_SECONDS";

    /// The one that the environment tells, if it does.
    ///
    /// # Errors
    ///
    /// Where the variable is no whole number of seconds, or one that leaves no time at all.
    pub fn from_env() -> Result<Option<Self>, GracePeriodError> {
        let value = env::var_os(Self::VARIABLE).map(OsString::into_string).transpose();
        let value = value.map_err(|value| GracePeriodError::new(&value.to_string_lossy()))?;
        value.map(|value| value.parse()).transpose()
    }

    /// From the signal to the kill. What a hook of the platform takes before the signal (`preStop`) is in it too, and
    /// nobody tells us how long that is: whoever has one sets a budget that much shorter.
    pub fn period(self) -> Duration {
        self.0
    }

    /// The budget that keeps it: 2 s less, for the kill that is not to happen.
    pub fn budget(self) -> Duration {
        self.0.saturating_sub(SLACK)
    }
}

impl FromStr for GracePeriod {
    type Err = GracePeriodError;

    fn from_str(value: &str) -> Result<Self, GracePeriodError> {
        match value.parse::<u32>().map(|seconds| Duration::from_secs(seconds.into())) {
            Ok(period) if period > SLACK => Ok(Self(period)),
            _ => Err(GracePeriodError::new(value)),
        }
    }
}

/// What stands in [`TERMINATION_GRACE_PERIOD_SECONDS`](GracePeriod::VARIABLE) is no grace period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GracePeriodError {
    value: Box<str>,
}

impl GracePeriodError {
    fn new(value: &str) -> Self {
        Self { value: value.into() }
    }
}

impl fmt::Display for GracePeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (variable, value, slack) = (GracePeriod::VARIABLE, &self.value, SLACK.as_secs());
        write!(
            f,
            "`{variable}` is {value:?}; expected a whole number of seconds above {slack}, such as `30`; write the pod's \
             terminationGracePeriodSeconds there, or leave the variable out"
        )
    }
}

impl Error for GracePeriodError {}

const SLACK: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_seconds_above_the_slack_are_a_grace_period_and_nothing_else_is() {
        let budget = |value: &str| value.parse().map(GracePeriod::budget);
        assert_eq!(budget("30"), Ok(Duration::from_secs(28)));
        assert_eq!(budget("3"), Ok(Duration::from_secs(1)));
        for wrong in ["2", "0", "", "30s", " 30", "-1", "30.5", "99999999999"] {
            let error = budget(wrong).unwrap_err().to_string();
            let begin = format!("`TERMINATION_GRACE_PERIOD_SECONDS` is {wrong:?}; expected a whole number");
            assert!(error.starts_with(&begin), "{error}");
        }
    }
}
