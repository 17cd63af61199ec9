//! Whose id is kept.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use http::{Extensions, HeaderMap, HeaderName, Request};
use macadam_core::{RequestContext, context::InvalidRequestId};

use crate::replaced::Replaced;

/// The head of a request, borrowed, for a predicate that says whether its sender's id is kept.
#[derive(Clone, Copy, Debug)]
pub struct Inbound<'a> {
    context: &'a RequestContext,
    headers: &'a HeaderMap,
    extensions: &'a Extensions,
}

impl<'a> Inbound<'a> {
    /// The peer's address, where the listener knows it, and what the request looks like on the wire.
    pub fn context(&self) -> &'a RequestContext {
        self.context
    }

    /// The headers, as they came.
    pub fn headers(&self) -> &'a HeaderMap {
        self.headers
    }

    /// What layers further out, and the listener, have left with the request: axum's `ConnectInfo`, a client's
    /// certificate.
    pub fn extensions(&self) -> &'a Extensions {
        self.extensions
    }
}

/// Whose id is kept, if it is valid.
#[derive(Clone)]
pub(crate) enum Policy {
    Nobodys,
    Everybodys,
    TheirsIf(Arc<dyn Fn(Inbound<'_>) -> bool + Send + Sync>),
}

/// What a request brought.
pub(crate) enum Brought {
    /// An id to keep: the one value of the header.
    Kept(Bytes),
    /// Nothing that was looked at.
    NotAsked,
    /// Nothing to keep, though its sender may bring an id.
    Refused(Replaced),
}

impl Policy {
    /// Judges what a request brought, and leaves it in the context if it is an id to keep.
    pub(crate) fn judge<B>(
        &self,
        context: &RequestContext,
        header: &HeaderName,
        brought: bool,
        request: &Request<B>,
    ) -> Brought {
        let (headers, extensions) = (request.headers(), request.extensions());
        let asked = match self {
            Self::Nobodys => false,
            Self::Everybodys => true,
            Self::TheirsIf(predicate) => predicate(Inbound { context, headers, extensions }),
        };
        if !asked {
            return Brought::NotAsked;
        }
        if !brought {
            return Brought::Refused(Replaced::Missing);
        }
        let mut values = headers.get_all(header).iter();
        // Two proxies that disagree on which of two values counts would log two ids for one request.
        let (Some(value), None) = (values.next(), values.next()) else {
            return Brought::Refused(Replaced::Duplicate);
        };
        match context.set_request_id(value) {
            // A copy: a clone would keep the buffer in which the head was read until the response is written.
            Ok(()) => Brought::Kept(Bytes::copy_from_slice(value.as_bytes())),
            Err(InvalidRequestId::Empty) => Brought::Refused(Replaced::Empty),
            Err(InvalidRequestId::TooLong) => Brought::Refused(Replaced::TooLong),
            // A reason that a later core knows is one of the bytes.
            Err(_) => Brought::Refused(Replaced::Charset),
        }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobodys => "Nobodys",
            Self::Everybodys => "Everybodys",
            Self::TheirsIf(_) => "TheirsIf",
        })
    }
}
