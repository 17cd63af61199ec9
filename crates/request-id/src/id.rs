//! [`RequestId`], for handlers and generators.

use std::{fmt, str::FromStr};

use http::{HeaderValue, Request};
use macadam_core::{
    RequestContext,
    context::{Id, InvalidRequestId},
};

/// A request's id: 1 to 128 bytes of `[A-Za-z0-9._:@/+=-]`.
///
/// It is the [`Id`] of the request's context, and can be taken out of a request. All of its bytes are in it: one that is
/// kept keeps nothing else alive.
///
/// It names one request in logs. It is no proof that a request came only once: a client may send the same id
/// again, so never make it an idempotency key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Id);

impl RequestId {
    /// The id that a request was given, if it passed a [`RequestIdLayer`](crate::RequestIdLayer).
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        Self::of_context(RequestContext::get(request)?)
    }

    pub(crate) fn of_context(context: &RequestContext) -> Option<Self> {
        context.request_id().map(Self)
    }

    /// For text that was made to be an id.
    pub(crate) fn made<const N: usize>(text: [u8; N]) -> Self {
        Self(text.as_slice().try_into().expect("a generator writes what an id may have"))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
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

impl From<Id> for RequestId {
    fn from(id: Id) -> Self {
        Self(id)
    }
}

impl From<RequestId> for Id {
    fn from(id: RequestId) -> Self {
        id.0
    }
}

impl From<RequestId> for HeaderValue {
    fn from(id: RequestId) -> Self {
        Self::from_str(id.as_str()).expect("every allowed byte may be in a header")
    }
}

impl TryFrom<HeaderValue> for RequestId {
    type Error = InvalidRequestId;

    fn try_from(value: HeaderValue) -> Result<Self, InvalidRequestId> {
        value.as_bytes().try_into().map(Self)
    }
}

impl TryFrom<&str> for RequestId {
    type Error = InvalidRequestId;

    fn try_from(text: &str) -> Result<Self, InvalidRequestId> {
        text.try_into().map(Self)
    }
}

impl FromStr for RequestId {
    type Err = InvalidRequestId;

    fn from_str(text: &str) -> Result<Self, InvalidRequestId> {
        text.try_into()
    }
}
