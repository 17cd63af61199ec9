//! How many bytes of a request's body are read.
//!
//! The limit is enforced around the Router, on whatever reads the body and however; it lives in the request's context,
//! so that a route may move it after routing and before the first byte is read. tower-http's `RequestBodyLimit` in this
//! place could not be raised by a route, and answers in plain text.

mod body;
mod enforce;
mod route;

use axum::extract::DefaultBodyLimit;
use http::Request;

pub(crate) use self::enforce::{EnforceBodyLimit, EnforceBodyLimitLayer};
pub use self::route::{BodyLimit, MoveBodyLimit};

/// What axum's extractors read at most where nobody says otherwise, in bytes.
const AXUM_DEFAULT: u64 = 2_097_152;

/// Lifts axum's own limit where ours is the higher one. Below, its place in the request's extensions is saved.
fn lift_axum_limit<B>(request: &mut Request<B>, limit: u64) {
    if limit > AXUM_DEFAULT {
        DefaultBodyLimit::disable().apply(request);
    }
}
