//! What a layer cannot be made with.

use std::{error::Error, fmt, ops::RangeInclusive};

use crate::gate::MAX_LIMIT;

/// A setting that cannot be meant. Names the setting, what it was, and what it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Mistake);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mistake {
    Limit(u32),
    RetryAfter(RangeInclusive<u32>),
}

impl ConfigError {
    /// The limit, if the gate can work with it.
    pub(crate) fn check_limit(limit: u32) -> Result<u32, Self> {
        if (1..=MAX_LIMIT).contains(&limit) { Ok(limit) } else { Err(Self(Mistake::Limit(limit))) }
    }

    /// The range, if there is a number in it.
    pub(crate) fn check_retry_after(seconds: RangeInclusive<u32>) -> Result<RangeInclusive<u32>, Self> {
        if seconds.is_empty() { Err(Self(Mistake::RetryAfter(seconds))) } else { Ok(seconds) }
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
            Mistake::RetryAfter(seconds) => write!(
                f,
                "the range of `Retry-After` is from {} to {} seconds, and no number lies in it; \
                 give the smaller one first",
                seconds.start(),
                seconds.end()
            ),
        }
    }
}

impl Error for ConfigError {}
