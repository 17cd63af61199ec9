//! What a layer cannot be made with.

use std::{error::Error, fmt, ops::RangeInclusive, time::Duration};

use http::StatusCode;

use crate::gate::MAX_LIMIT;

/// A setting that cannot be meant. Names the setting, what it was, and what it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Mistake);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mistake {
    Limit(u32),
    Start(u32, u32),
    RetryAfter(RangeInclusive<u32>),
    Status(StatusCode),
    TargetLag(Duration),
}

impl ConfigError {
    /// The limit, if the gate can work with it.
    pub(crate) fn check_limit(limit: u32) -> Result<u32, Self> {
        if (1..=MAX_LIMIT).contains(&limit) { Ok(limit) } else { Err(Self(Mistake::Limit(limit))) }
    }

    /// The limit to start from and the highest there may be, if the one is within the other.
    pub(crate) fn check_start(start: u32, ceiling: u32) -> Result<(f64, f64), Self> {
        let ceiling = Self::check_limit(ceiling)?;
        let sensible = (1..=ceiling).contains(&start);
        if sensible {
            Ok((f64::from(start), f64::from(ceiling)))
        } else {
            Err(Self(Mistake::Start(start, ceiling)))
        }
    }

    /// The range, if there is a number in it.
    pub(crate) fn check_retry_after(seconds: RangeInclusive<u32>) -> Result<RangeInclusive<u32>, Self> {
        if seconds.is_empty() { Err(Self(Mistake::RetryAfter(seconds))) } else { Ok(seconds) }
    }

    /// The status, if it says that there was a mistake.
    pub(crate) fn check_status(status: StatusCode) -> Result<StatusCode, Self> {
        let is_error = status.is_client_error() || status.is_server_error();
        if is_error { Ok(status) } else { Err(Self(Mistake::Status(status))) }
    }

    /// The target, if a beat can tell it from nothing and an overload from a hang.
    pub(crate) fn check_target_lag(target: Duration) -> Result<Duration, Self> {
        let sensible = !target.is_zero() && target <= Duration::from_secs(1);
        if sensible { Ok(target) } else { Err(Self(Mistake::TargetLag(target))) }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Mistake::Limit(limit) => write!(
                f,
                "the limit of requests in flight is {limit}, and has to be from 1 to {MAX_LIMIT}; \
                 to limit nothing, set the mode to `Off`"
            ),
            Mistake::Start(start, ceiling) => write!(
                f,
                "the limit starts at {start}, and has to start from 1 to its ceiling, which is {ceiling}; \
                 start lower, or raise the ceiling"
            ),
            Mistake::RetryAfter(seconds) => write!(
                f,
                "the range of `Retry-After` is from {} to {} seconds, and no number lies in it; \
                 give the smaller one first",
                seconds.start(),
                seconds.end()
            ),
            Mistake::Status(status) => write!(
                f,
                "the status of a refusal is {}, and has to be from 400 to 599; 503 and 429 are those that clients know",
                status.as_u16()
            ),
            Mistake::TargetLag(target) => write!(
                f,
                "the target of the executor's lag is {target:?}, and has to be more than nothing and at most 1s; \
                 5ms is a good one"
            ),
        }
    }
}

impl Error for ConfigError {}
