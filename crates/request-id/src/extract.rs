//! [`RequestId`] as an extractor.

use std::{convert::Infallible, fmt};

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use macadam_core::RequestContext;

use crate::id::RequestId;

/// No [`RequestIdLayer`](crate::RequestIdLayer) stands around the handler that asks for its request's id.
#[derive(Clone, Copy, Debug)]
pub struct MissingRequestId;

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = MissingRequestId;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingRequestId> {
        of_parts(parts).ok_or(MissingRequestId)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(of_parts(parts))
    }
}

fn of_parts(parts: &Parts) -> Option<RequestId> {
    RequestId::of_context(parts.extensions.get::<RequestContext>()?)
}

impl IntoResponse for MissingRequestId {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl fmt::Display for MissingRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the handler asks for a request id, and no RequestIdLayer stands around it")
    }
}

impl std::error::Error for MissingRequestId {}
