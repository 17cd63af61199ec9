//! The few messages of `grpc.health.v1`, as they stand on the wire.
//!
//! ```proto
//! message HealthCheckRequest  { string service = 1; }
//! message HealthCheckResponse { ServingStatus status = 1; }
//! message HealthListResponse  { map<string, HealthCheckResponse> statuses = 1; }
//! ```
//!
//! Written by hand: three messages of a field each do not need a code generator, its runtime and a second server stack
//! in every service that wants to be probed.

use bytes::Bytes;

/// `HealthCheckResponse.ServingStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Serving {
    Yes = 1,
    No = 2,
    /// Said in a stream only, of a service that is not known.
    Unknown = 3,
}

/// The `google.rpc.Code`s that are answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    Ok = 0,
    InvalidArgument = 3,
    NotFound = 5,
    ResourceExhausted = 8,
    Unimplemented = 12,
    Unavailable = 14,
}

/// Reads a message from the begin of a request's body. `Ok(None)` as long as it is not all there.
///
/// # Errors
///
/// With the status to answer, where it is none of ours, compressed or too long.
pub(super) fn unframe(body: &[u8]) -> Result<Option<&[u8]>, (Code, &'static str)> {
    let Some((head, rest)) = body.split_at_checked(HEAD) else { return Ok(None) };
    if head[0] != 0 {
        return Err((Code::Unimplemented, "the message is compressed"));
    }
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if length > LONGEST {
        return Err((Code::ResourceExhausted, "the message is longer than 1 KiB"));
    }
    Ok(rest.get(..length))
}

/// The service in a `HealthCheckRequest`; nothing where that is no such message.
pub(super) fn service(mut message: &[u8]) -> Option<&str> {
    let mut service = "";
    while !message.is_empty() {
        let key = varint(&mut message)?;
        match (key >> 3, key & 7) {
            (1, 2) => service = std::str::from_utf8(bytes(&mut message)?).ok()?,
            // Fields that a later version has are skipped.
            (_, 0) => drop(varint(&mut message)?),
            (_, 1) => drop(take(&mut message, 8)?),
            (_, 2) => drop(bytes(&mut message)?),
            (_, 5) => drop(take(&mut message, 4)?),
            _ => return None,
        }
    }
    Some(service)
}

/// A `HealthCheckResponse`, framed.
pub(super) fn status(serving: Serving) -> Bytes {
    frame(&status_message(serving))
}

/// A `HealthListResponse`, framed.
pub(super) fn list<'a>(statuses: impl Iterator<Item = (&'a str, Serving)>) -> Bytes {
    let mut message = Vec::new();
    for (service, serving) in statuses {
        let mut entry = Vec::new();
        field(1, service.as_bytes(), &mut entry);
        field(2, &status_message(serving), &mut entry);
        field(1, &entry, &mut message);
    }
    frame(&message)
}

fn status_message(serving: Serving) -> [u8; 2] {
    [1 << 3, serving as u8]
}

/// A field of bytes, with its length.
fn field(number: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(number << 3 | 2);
    let mut length = value.len();
    while length > 0x7f {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(value);
}

fn frame(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).expect("names of services are kilobytes at most");
    let mut frame = Vec::with_capacity(HEAD + message.len());
    frame.push(0);
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(message);
    frame.into()
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(message, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn bytes<'a>(message: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = varint(message)?;
    take(message, usize::try_from(length).ok()?)
}

fn take<'a>(message: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = message.split_at_checked(length)?;
    *message = rest;
    Some(taken)
}

/// A byte for the compression and four for the length.
const HEAD: usize = 5;
/// A service's name is some dozen bytes.
const LONGEST: usize = 1024;
/// With a whole message of the greatest length.
pub(super) const LONGEST_BODY: usize = HEAD + LONGEST;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_once_it_is_all_there() {
        let body = b"\0\0\0\0\x05\x0a\x03a.B";
        for part in 0..body.len() {
            assert_eq!(unframe(&body[..part]), Ok(None), "{part} bytes");
        }
        assert_eq!(unframe(body), Ok(Some(&b"\x0a\x03a.B"[..])));
        assert_eq!(unframe(b"\0\0\0\0\0more"), Ok(Some(&b""[..])));
    }

    #[test]
    fn a_message_that_is_compressed_or_too_long_is_refused_before_it_is_there() {
        assert_eq!(unframe(b"\x01\0\0\0\x05").unwrap_err().0, Code::Unimplemented);
        assert_eq!(unframe(b"\0\0\0\x04\x00"), Ok(None));
        assert_eq!(unframe(b"\0\0\0\x04\x01").unwrap_err().0, Code::ResourceExhausted);
        assert_eq!(unframe(b"\0\xff\xff\xff\xff").unwrap_err().0, Code::ResourceExhausted);
    }

    #[test]
    fn the_service_is_the_last_that_is_named_and_unknown_fields_are_skipped() {
        assert_eq!(service(b""), Some(""));
        assert_eq!(service(b"\x0a\x03a.B"), Some("a.B"));
        assert_eq!(service(b"\x0a\x01x\x0a\x03a.B"), Some("a.B"));
        assert_eq!(service(b"\x10\x96\x01\x19........\x25....\x22\x02no\x0a\x03a.B"), Some("a.B"));
    }

    #[test]
    fn what_is_no_message_has_no_service() {
        for bytes in [
            &b"\x0a"[..],
            b"\x0a\x04a.B",
            b"\x0a\x02\xff\xfe",
            b"\x0b",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        ] {
            assert_eq!(service(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn responses_are_framed() {
        assert_eq!(status(Serving::No), &b"\0\0\0\0\x02\x08\x02"[..]);
        let both = [("", Serving::Yes), ("a.B", Serving::No)];
        assert_eq!(
            list(both.into_iter()),
            &b"\0\0\0\0\x13\x0a\x06\x0a\x00\x12\x02\x08\x01\x0a\x09\x0a\x03a.B\x12\x02\x08\x02"[..]
        );
        let long = "x".repeat(300);
        assert_eq!(list([(long.as_str(), Serving::Yes)].into_iter()).len(), 5 + 3 + 3 + 300 + 4);
    }
}
