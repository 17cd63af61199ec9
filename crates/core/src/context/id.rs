//! A request's id, and what it may look like.

use std::{fmt, num::NonZeroU8, str::FromStr};

/// The text of a request's id: 1 to 128 bytes of `[A-Za-z0-9._:@/+=-]`.
///
/// Whoever holds one may write it as it is into a log, a label, a header or a JSON string. It is a value of its own, with
/// all of its bytes in it, and keeps nothing else alive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id {
    /// Zeros after the id, and so in the order of the texts.
    pub(super) text: [u8; Id::MAX_LEN],
    pub(super) len: NonZeroU8,
}

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

impl Id {
    /// Room for a UUID, a ULID, a traceparent or a joined pair of them; more is a way to fill somebody's logs.
    pub(super) const MAX_LEN: usize = 128;

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("every allowed byte is ASCII")
    }

    /// The id as bytes.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[..usize::from(self.len.get())]
    }
}

impl TryFrom<&[u8]> for Id {
    type Error = InvalidRequestId;

    fn try_from(bytes: &[u8]) -> Result<Self, InvalidRequestId> {
        let len = check(bytes)?;
        let mut text = [0; Self::MAX_LEN];
        text[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { text, len })
    }
}

impl TryFrom<&str> for Id {
    type Error = InvalidRequestId;

    fn try_from(text: &str) -> Result<Self, InvalidRequestId> {
        text.as_bytes().try_into()
    }
}

impl FromStr for Id {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        text.try_into()
    }
}

impl AsRef<[u8]> for Id {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
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

/// How long the id is that these bytes are.
// Inlined, since who makes an id knows its length, and the check is then over in a few instructions.
#[inline]
pub(super) fn check(bytes: &[u8]) -> Result<NonZeroU8, InvalidRequestId> {
    if bytes.len() > Id::MAX_LEN {
        return Err(InvalidRequestId::TooLong);
    }
    let len = NonZeroU8::new(bytes.len() as u8).ok_or(InvalidRequestId::Empty)?;
    // No early exit: without branches it is many bytes at once.
    if bytes.iter().fold(true, |all, &byte| all & is_allowed(byte)) {
        Ok(len)
    } else {
        Err(InvalidRequestId::Charset)
    }
}

/// What no log format, terminal, shell or template gives a meaning to that matters.
#[inline]
const fn is_allowed(byte: u8) -> bool {
    // In ASCII, `-./`, the digits and `:` are neighbours, and so are `@` and the capitals.
    matches!(byte, b'-'..=b':' | b'@'..=b'Z' | b'a'..=b'z' | b'+' | b'=' | b'_')
}
