//! [`Deadline`] as an extractor.

use std::{convert::Infallible, fmt};

use axum_core::{
    extract::{FromRequestParts, OptionalFromRequestParts},
    response::{IntoResponse, Response},
};
use http::{StatusCode, request::Parts};
use macadam_core::RequestContext;

use crate::deadline::Deadline;

/// The handler asks for its deadline, and no layer around it lets it see one. Answered with 500, since "no deadline"
/// would be a guess.
#[derive(Clone, Copy, Debug)]
pub struct MissingDeadline;

impl<S: Sync> FromRequestParts<S> for Deadline {
    type Rejection = MissingDeadline;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, MissingDeadline> {
        of_parts(parts).ok_or(MissingDeadline)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Deadline {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(of_parts(parts))
    }
}

fn of_parts(parts: &Parts) -> Option<Deadline> {
    parts.extensions.get::<RequestContext>().map(Deadline::in_context)
}

impl IntoResponse for MissingDeadline {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.to_string()).into_response()
    }
}

impl fmt::Display for MissingDeadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the handler asks for its deadline, and no layer around it shows one: TimeoutLayer::expose() does",
        )
    }
}

impl std::error::Error for MissingDeadline {}
