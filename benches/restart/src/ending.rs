//! How requests end.

use std::{collections::BTreeMap, fmt, time::Duration};

use hdrhistogram::Histogram;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By a whole answer with a 2xx.
    Answered,
    /// By anything else, after its client had begun to send it, or could not connect.
    Failed(Failure),
    /// HTTP/2: on a GOAWAY the client's own library gave it up before it had written a byte of it, or wrote it when it
    /// had read the GOAWAY and must not.
    NotSent,
}

/// Why a request failed. A client that never retries has no second chance in any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failure {
    /// Nobody accepts: the connection was refused, or reset while it was made.
    Refused,
    /// A reset before the first byte of the answer.
    Reset,
    /// An end of file before the first byte of the answer.
    Ended,
    /// An end or a reset within the answer.
    Truncated,
    /// HTTP/2: sent, and then refused by a GOAWAY.
    WentAway,
    /// No whole answer within [`PATIENCE`](crate::load::PATIENCE).
    TimedOut,
    /// A whole answer that is no 2xx.
    Status(u16),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => f.write_str("not connected"),
            Self::Reset => f.write_str("reset"),
            Self::Ended => f.write_str("ended without an answer"),
            Self::Truncated => f.write_str("truncated"),
            Self::WentAway => f.write_str("sent and then refused by a GOAWAY"),
            Self::TimedOut => f.write_str("timed out"),
            Self::Status(status) => write!(f, "answered with {status}"),
        }
    }
}

/// What became of many.
pub(crate) struct Tally {
    pub(crate) answered: u64,
    failed: BTreeMap<Failure, u64>,
    pub(crate) not_sent: u64,
    /// From when each was due until it was begun: the generator's own.
    lag: Histogram<u32>,
    /// From when each was due to its answer's last byte.
    latency: Histogram<u32>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { answered: 0, failed: BTreeMap::new(), not_sent: 0, lag: histogram(), latency: histogram() }
    }
}

impl Tally {
    pub(crate) fn note(&mut self, ending: Ending, lag: Duration, latency: Duration) {
        self.lag.saturating_record(micros(lag));
        match ending {
            Ending::Answered => {
                self.answered += 1;
                self.latency.saturating_record(micros(latency));
            }
            Ending::Failed(failure) => *self.failed.entry(failure).or_default() += 1,
            Ending::NotSent => self.not_sent += 1,
        }
    }

    pub(crate) fn failed(&self) -> u64 {
        self.failed.values().sum()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.answered + self.failed() + self.not_sent
    }

    pub(crate) fn lag(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.lag.value_at_quantile(quantile))
    }
}

/// `0 of 156,012`, the kinds of failure if there are any, and what the answers took.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} failed", self.failed(), grouped(self.requests()))?;
        let kinds: Vec<_> = self.failed.iter().map(|(failure, count)| format!("{count} {failure}")).collect();
        if !kinds.is_empty() {
            write!(f, " ({})", kinds.join(", "))?;
        }
        if self.not_sent > 0 {
            write!(f, "; {} not sent by the client's library", self.not_sent)?;
        }
        let millis = |quantile| self.latency.value_at_quantile(quantile) as f64 / 1000.0;
        write!(f, "; p99.9 {:.1} ms, worst {:.1} ms", millis(0.999), millis(1.0))
    }
}

pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Of microseconds, to the third digit, up to a minute.
fn histogram() -> Histogram<u32> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("the bounds are valid")
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_library_did_not_send_is_no_failure_and_is_said_apart() {
        let mut tally = Tally::default();
        let second = Duration::from_secs(1);
        tally.note(Ending::NotSent, Duration::ZERO, second);
        tally.note(Ending::Answered, Duration::ZERO, second);
        assert_eq!((tally.failed(), tally.requests()), (0, 2));
        tally.note(Ending::Failed(Failure::Status(503)), Duration::ZERO, second);
        let text = tally.to_string();
        assert!(text.starts_with("1 of 3 failed (1 answered with 503); 1 not sent by"), "{text}");
    }

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([7, 999, 1000, 1_234_567].map(grouped), ["7", "999", "1,000", "1,234,567"]);
    }
}
