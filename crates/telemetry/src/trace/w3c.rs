//! [W3C Trace Context](https://www.w3.org/TR/trace-context-2/), level 2: how a caller says which trace it is in.
//!
//! Both headers are anybody's to send. What is malformed counts as not sent, and what is kept of them is bounded.

use std::{fmt, str};

use http::{HeaderMap, HeaderName, HeaderValue};

use super::ids::{SpanId, TraceId};

/// What a `traceparent` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) flags: Flags,
}

/// Those that level 2 knows. The others are to be sent as 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    /// The caller may have recorded its span.
    pub(crate) sampled: bool,
    /// The right-most 7 bytes of the trace's id are random.
    pub(crate) random: bool,
}

impl Parent {
    /// The caller's span: none where the header is missing, malformed, or there twice.
    #[inline]
    pub(crate) fn read(headers: &HeaderMap) -> Option<Self> {
        Self::of(headers.get_all(TRACEPARENT).iter().map(HeaderValue::as_bytes))
    }

    /// The same of the values of the header.
    #[inline]
    pub(crate) fn of<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let value = values.next()?;
        if values.next().is_some() { None } else { Self::parse(value) }
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (head, more) = value.trim_ascii().split_at_checked(LENGTH)?;
        let field = |from: usize, digits: usize| hex(&head[from..from + digits]);
        let version = field(0, 2)?;
        // A later version may go on behind the flags, after a dash.
        let ends = match version {
            0 => more.is_empty(),
            0xff => false,
            _ => more.is_empty() || more[0] == b'-',
        };
        if !ends || [head[2], head[35], head[52]] != [b'-'; 3] {
            return None;
        }
        let flags = field(53, 2)?;
        Some(Self {
            trace_id: TraceId::new(field(3, 32)?)?,
            span_id: SpanId::new(field(36, 16)? as u64)?,
            flags: Flags { sampled: flags & 1 != 0, random: flags & 2 != 0 },
        })
    }

    /// Says this span, and the state of its trace, in the headers of a request to the next hop, in place of what they say.
    pub(crate) fn write(&self, state: Option<&str>, headers: &mut HeaderMap) {
        let header = |text: &str| HeaderValue::from_str(text).ok();
        if let Some(parent) = header(&self.to_string()) {
            headers.insert(TRACEPARENT, parent);
        }
        match state.and_then(header) {
            Some(state) => drop(headers.insert(TRACESTATE, state)),
            None => drop(headers.remove(TRACESTATE)),
        }
    }
}

impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = u8::from(self.flags.sampled) | u8::from(self.flags.random) << 1;
        write!(f, "00-{}-{}-{flags:02x}", self.trace_id, self.span_id)
    }
}

/// The lower-case digits of a number.
fn hex(digits: &[u8]) -> Option<u128> {
    digits.iter().try_fold(0, |number, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u128::from(digit))
    })
}

/// What the tracing systems on the way have left for each other: the members of every `tracestate`, in order. To be read
/// only where there is a [`Parent`].
///
/// None where one of them is malformed, or there are more than 32. Of a longer one than 512 bytes the members of more than
/// 128 go first, and then the last, as the recommendation says.
pub(crate) fn state(headers: &HeaderMap) -> Option<String> {
    state_of(headers.get_all(TRACESTATE).iter().map(HeaderValue::as_bytes))
}

/// The same of the values of the headers.
pub(crate) fn state_of<'a>(values: impl Iterator<Item = &'a [u8]>) -> Option<String> {
    let mut members = [""; MEMBERS];
    let mut count = 0;
    for member in values.flat_map(|value| value.split(|byte| *byte == b',')) {
        let member = member.trim_ascii();
        if !member.is_empty() {
            *members.get_mut(count)? = checked(member)?;
            count += 1;
        }
    }
    let members = &mut members[..count];
    // Each with its comma, also the last.
    let mut length: usize = members.iter().map(|member| member.len() + 1).sum();
    for longer_than in [LONG, 0] {
        for member in members.iter_mut().rev().filter(|member| member.len() > longer_than) {
            if length > MAX + 1 {
                length -= member.len() + 1;
                *member = "";
            }
        }
    }
    let mut state = String::with_capacity(length);
    for member in members.iter().filter(|member| !member.is_empty()) {
        if !state.is_empty() {
            state.push(',');
        }
        state.push_str(member);
    }
    (!state.is_empty()).then_some(state)
}

/// A member of the state, if it is `key=value`.
fn checked(member: &[u8]) -> Option<&str> {
    let equals = member.iter().position(|byte| *byte == b'=')?;
    let (key, value) = (&member[..equals], &member[equals + 1..]);
    let starts = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let in_key = |byte: &u8| starts(byte) || b"_-*/@".contains(byte);
    let in_value = |byte: &u8| matches!(byte, b' '..=b'~') && !b",=".contains(byte);
    let is_key = key.first().is_some_and(starts) && key.iter().all(in_key) && key.len() <= PART;
    let is_value = !value.is_empty() && value.iter().all(in_value) && value.len() <= PART;
    if is_key && is_value { str::from_utf8(member).ok() } else { None }
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Of a `traceparent`, as far as every version has it.
const LENGTH: usize = 55;
const MEMBERS: usize = 32;
/// The most that a key or a value may have.
const PART: usize = 256;
const LONG: usize = 128;
/// The least that has to be passed on of a state, and the most that is.
const MAX: usize = 512;
