//! What every layer of macadam has to keep, whatever else it does.
//!
//! 1. The readied instance is the one called, and `poll_ready` forwards what the inner service says of itself.
//! 2. Clones, and the services of several `layer()` calls, serve one after the other.
//! 3. Whatever is dropped, and whenever, is dropped all the way down, and gives back what was held for it.
//! 4. A wake from inside reaches the outer task, from the future and from the body.
//! 5. Layer and service are `Send + Sync + Unpin`, futures and bodies are `Send`: the signature of [`check`] says so.
//! 6. The service's error passes through unchanged.
//! 7. So does the response, but for headers that are added; `size_hint` and `is_end_stream` survive.
//! 8. So does the request, its body's type included.
//! 9. A panic is not swallowed, though it may be made a 500, or an error of the body; the next request is served.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() {
//! macadam_test::contract::check(tower_layer::layer_fn(|service| service)).await;
//! # }
//! ```

mod drive;
mod rules;

use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use self::rules::Subject;
use crate::{Refused, ScriptedBody, ScriptedService};

/// Checks that `layer` keeps the contract. To be run in a current-thread runtime whose clock is paused.
///
/// # Panics
///
/// If it does not, with the rule that it breaks.
pub async fn check<L>(layer: L)
where
    L: Layer<ScriptedService, Service: Layered> + Send + Sync + Unpin + 'static,
{
    check_with(layer, || 0).await;
}

/// As [`check`], and asks `in_flight` whenever a request is over how many the layer believes in: none is right.
///
/// # Panics
///
/// As [`check`].
pub async fn check_with<L, P>(layer: L, in_flight: P)
where
    L: Layer<ScriptedService, Service: Layered> + Send + Sync + Unpin + 'static,
    P: Fn() -> usize,
{
    Subject { layer, in_flight }.check().await;
}

/// A service that a layer may make of a [`ScriptedService`]. Every service with the right types is one.
pub trait Layered:
    Service<Request<ScriptedBody>, Response = Response<Self::Body>, Error = Refused, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + Unpin
    + 'static
{
    /// The body of its responses.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static;
}

impl<S, B> Layered for S
where
    S: Service<Request<ScriptedBody>, Response = Response<B>, Error = Refused, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + Unpin
        + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    type Body = B;
}
