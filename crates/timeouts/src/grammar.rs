//! How a timeout is written: read strictly, and written so that nobody reads more than there is.

use std::time::Duration;

use http::HeaderValue;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Grammar {
    /// At most 8 digits and a unit.
    Grpc,
    /// Milliseconds, at most 10 digits.
    Millis,
    /// As `Millis`, but 0 is for ever: Envoy has no other word for that.
    Envoy,
}

impl Grammar {
    /// The timeout, or `None` if `value` is malformed. None is longer than a [`Duration`] can say.
    pub(crate) fn parse(self, value: &[u8]) -> Option<Duration> {
        if self == Self::Grpc {
            return grpc(value);
        }
        match number(value, 10)? {
            0 if self == Self::Envoy => Some(Duration::MAX),
            millis => Some(Duration::from_millis(millis)),
        }
    }

    /// The most that can be said and is no more than `left`. `None` where that is nothing.
    pub(crate) fn value(self, left: Duration) -> Option<HeaderValue> {
        // Longer than five centuries is five centuries.
        let nanos = u64::try_from(left.as_nanos()).unwrap_or(u64::MAX);
        match self {
            Self::Grpc => {
                let mut amounts = UNITS.iter().map(|(unit, size)| (nanos / size, *unit));
                let (amount, unit) = amounts.find(|(amount, _)| *amount <= 99_999_999)?;
                written(amount, Some(unit))
            }
            Self::Millis | Self::Envoy => written((nanos / 1_000_000).min(9_999_999_999), None),
        }
    }
}

/// `TimeoutValue TimeoutUnit` of gRPC's protocol over HTTP/2, as strict as grpc-go. `0S` is well-formed, and over.
fn grpc(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    let amount = number(digits, 8)?;
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3_600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

/// One to `most` digits and nothing else: no sign, no space. `most` is at most 19, so that it fits.
fn number(digits: &[u8], most: usize) -> Option<u64> {
    if digits.is_empty() || digits.len() > most {
        return None;
    }
    digits
        .iter()
        .try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + u64::from(byte - b'0')))
}

fn written(mut amount: u64, unit: Option<u8>) -> Option<HeaderValue> {
    if amount == 0 {
        return None;
    }
    let mut text = [0; 11];
    let mut start = text.len();
    let mut put = |byte| {
        start -= 1;
        text[start] = byte;
    };
    if let Some(unit) = unit {
        put(unit);
    }
    while amount > 0 {
        put(b'0' + (amount % 10) as u8);
        amount /= 10;
    }
    HeaderValue::from_bytes(&text[start..]).ok()
}

/// gRPC's units and how many nanoseconds they are, the finest first. Hours are few enough for 8 digits in any case.
const UNITS: [(u8, u64); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];
