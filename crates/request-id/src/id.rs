//! The id itself, and what it may look like.

use std::{fmt, str::FromStr};

use http::{HeaderValue, Request};
use macadam_core::RequestContext;

/// A request's id: 1 to 128 bytes of `[A-Za-z0-9._:@/+=-]`.
///
/// A clone costs a reference count. The bytes are a slice of something larger, the 4 KiB in which a thread writes
/// its ids or the buffer in which the request's head was read, and keep it alive: whoever keeps ids for long keeps
/// `id.to_string()`.
///
/// It names one request in logs. It is no proof that a request came only once: a client may send the same id
/// again, so never make it an idempotency key.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RequestId(HeaderValue);

/// Why something is no request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidRequestId {
    /// It has no bytes.
    Empty,
    /// It has more than 128 bytes.
    TooLong,
    /// It has a byte outside `[A-Za-z0-9._:@/+=-]`.
    Charset,
}

impl RequestId {
    /// The id that a request was given, if it passed a [`RequestIdLayer`](crate::RequestIdLayer).
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        Self::of_context(RequestContext::get(request)?)
    }

    pub(crate) fn of_context(context: &RequestContext) -> Option<Self> {
        context.request_id()?.clone().try_into().ok()
    }

    /// For bytes that were made to be valid.
    pub(crate) fn made(value: HeaderValue) -> Self {
        debug_assert_eq!(check(value.as_bytes()), Ok(()));
        Self(value)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("every allowed byte is visible ASCII")
    }

    pub(crate) fn value(&self) -> &HeaderValue {
        &self.0
    }
}

impl AsRef<str> for RequestId {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequestId").field(&self.as_str()).finish()
    }
}

impl From<RequestId> for HeaderValue {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

impl TryFrom<HeaderValue> for RequestId {
    type Error = InvalidRequestId;

    fn try_from(value: HeaderValue) -> Result<Self, InvalidRequestId> {
        check(value.as_bytes())?;
        Ok(Self(value))
    }
}

impl TryFrom<&str> for RequestId {
    type Error = InvalidRequestId;

    fn try_from(text: &str) -> Result<Self, InvalidRequestId> {
        check(text.as_bytes())?;
        HeaderValue::from_str(text).map(Self).map_err(|_| InvalidRequestId::Charset)
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        text.try_into()
    }
}

impl fmt::Display for InvalidRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never the bytes themselves: this text ends up in a log.
        f.write_str(match self {
            Self::Empty => "a request id has at least one byte",
            Self::TooLong => "a request id has at most 128 bytes",
            Self::Charset => "a request id has no bytes but letters, digits and `._:@/+=-`",
        })
    }
}

impl std::error::Error for InvalidRequestId {}

pub(crate) fn check(bytes: &[u8]) -> Result<(), InvalidRequestId> {
    match bytes.len() {
        0 => Err(InvalidRequestId::Empty),
        // No early exit: at these lengths a loop without branches is over sooner.
        1..=MAX_LEN if bytes.iter().fold(true, |all, byte| all & ALLOWED[usize::from(*byte)]) => Ok(()),
        1..=MAX_LEN => Err(InvalidRequestId::Charset),
        _ => Err(InvalidRequestId::TooLong),
    }
}

/// Room for a UUID, a ULID, a traceparent or a joined pair of them; more is a way to fill somebody's logs.
const MAX_LEN: usize = 128;

/// What no log format, terminal, shell or template gives a meaning to that matters.
const ALLOWED: [bool; 256] = {
    let mut allowed = [false; 256];
    let punctuation = b"._:@/+=-";
    let mut byte = 0;
    while byte < punctuation.len() {
        allowed[punctuation[byte] as usize] = true;
        byte += 1;
    }
    let mut byte = 0;
    while byte < allowed.len() {
        allowed[byte] |= (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    allowed
};
