//! Who makes new ids.

mod format;
mod source;
mod ticks;
mod wall;

use std::sync::Arc;

use bytes::Bytes;
use macadam_core::RequestContext;
use tokio::time::Instant;

use crate::id::RequestId;

/// Makes new request ids.
///
/// Any `Fn() -> Option<RequestId>` is a generator. It is called on the request's path: it should neither block nor
/// take a lock that every thread wants.
///
/// ```
/// use macadam_request_id::{RequestId, RequestIdLayer};
///
/// let layer = RequestIdLayer::edge().generator(|| RequestId::try_from("only-one-request-please").ok());
/// ```
pub trait Generate: Send + Sync + 'static {
    /// A new id for a request that arrived at `arrival`, or `None` to have [`Uuid7`] make it.
    fn generate(&self, arrival: Instant) -> Option<RequestId>;
}

impl<F> Generate for F
where
    F: Fn() -> Option<RequestId> + Send + Sync + 'static,
{
    fn generate(&self, _: Instant) -> Option<RequestId> {
        self()
    }
}

/// A UUID of version 7 ([RFC 9562]), `01938f3c-6c5b-7a42-b0e1-5f0c9d1e2a37`: sorts by time, and every tool knows it.
///
/// 48 bits of Unix time in milliseconds, a counter of 12 bits, 62 random bits. Ids of one thread increase strictly,
/// also when the clock is set back. The right-most 7 bytes are random, as [W3C Trace Context Level 2] asks of a
/// trace id.
///
/// [RFC 9562]: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7
/// [W3C Trace Context Level 2]: https://www.w3.org/TR/trace-context-2/#random-trace-id-flag
#[derive(Clone, Copy, Debug, Default)]
pub struct Uuid7;

/// A [ULID], `01JDG2QK2V7M5C8X4WQ0ZT6RHB`: as sortable as [`Uuid7`] in 26 characters.
///
/// 48 bits of Unix time in milliseconds, a counter of 12 bits, 68 random bits. Ids of one thread increase strictly,
/// also when the clock is set back.
///
/// [ULID]: https://github.com/ulid/spec
#[derive(Clone, Copy, Debug, Default)]
pub struct Ulid;

/// 128 random bits as 32 hexadecimal digits, the form of nginx's `$request_id` and of a W3C trace id.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hex32;

impl Generate for Uuid7 {
    fn generate(&self, arrival: Instant) -> Option<RequestId> {
        Some(RequestId::made(uuid7(arrival)))
    }
}

impl Generate for Ulid {
    fn generate(&self, arrival: Instant) -> Option<RequestId> {
        Some(RequestId::made(source::make(arrival, |tick, random| {
            format::ulid(format::ulid_bits(tick, random))
        })))
    }
}

impl Generate for Hex32 {
    fn generate(&self, arrival: Instant) -> Option<RequestId> {
        Some(RequestId::made(source::make(arrival, |_, random| format::hex32(random))))
    }
}

fn uuid7(arrival: Instant) -> [u8; 36] {
    source::make(arrival, |tick, random| format::uuid7(format::uuid7_bits(tick, random)))
}

/// The generator of a layer.
#[derive(Clone)]
pub(crate) enum Generator {
    /// The default. Not a boxed one: a call that is known is a third cheaper.
    Uuid7,
    Own(Arc<dyn Generate>),
}

impl Generator {
    /// Gives the request a new id, and returns its text.
    pub(crate) fn name(&self, context: &RequestContext) -> Bytes {
        let arrival = context.arrival();
        let own = match self {
            Self::Uuid7 => None,
            Self::Own(own) => own.generate(arrival),
        };
        match own {
            Some(id) => leave(context, id.as_str()),
            None => leave(context, uuid7(arrival)),
        }
    }
}

#[inline]
fn leave(context: &RequestContext, id: impl AsRef<[u8]>) -> Bytes {
    let id = id.as_ref();
    context.set_request_id(id).expect("a generator writes what an id may have");
    Bytes::copy_from_slice(id)
}
