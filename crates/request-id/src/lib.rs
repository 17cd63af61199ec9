//! One trustworthy request id per request, everywhere it can be seen.
//!
//! [`RequestIdLayer`] reads the id that a request brings, or makes one, and says it
//! - in the request's context, and with it in every refusal by a macadam layer further in;
//! - to the service, as [`RequestId::of`] the request, and in its header in place of whatever that brought;
//! - in the field `request_id` of the current span, if that has one;
//! - to the client, in the response's header, whatever the status.
//!
//! It makes no span and writes no log line, rejects no request, runs no clock, and sends nothing to other services:
//! whoever calls them hands the id on. For handlers that pass their request on, headers and all,
//! [`on_request`](RequestIdLayer::on_request) puts a new id in the header too. It does not reach what an HTTP server answers by itself, such as hyper's
//! 400 and 431.
//!
//! ```
//! use http::{Request, Response};
//! use macadam_request_id::{RequestId, RequestIdLayer};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), std::convert::Infallible> {
//! let service = RequestIdLayer::internal().layer(service_fn(async |request: Request<()>| {
//!     let id = RequestId::of(&request).expect("the layer gives every request one");
//!     Ok::<_, std::convert::Infallible>(Response::new(id.to_string()))
//! }));
//!
//! let request = Request::get("/").header("x-request-id", "checkout-7f3a").body(()).unwrap();
//! let response = service.clone().oneshot(request).await?;
//! assert_eq!(response.headers()["x-request-id"], "checkout-7f3a");
//! assert_eq!(response.body(), "checkout-7f3a");
//!
//! let request = Request::get("/").header("x-request-id", "${jndi:ldap://evil}").body(()).unwrap();
//! let response = service.oneshot(request).await?;
//! assert_eq!(response.body().len(), 36, "an id of our own in place of one that is not valid");
//! # Ok(())
//! # }
//! ```
//!
//! # Whose id is kept
//!
//! | constructor | keeps | for |
//! |---|---|---|
//! | [`RequestIdLayer::internal`] | every valid id | services that only other services call |
//! | [`RequestIdLayer::edge`] | none | services that anybody can call |
//! | [`RequestIdLayer::accept_if`] | a valid id whose sender the predicate trusts | both at once |
//!
//! A valid id is the only value of its header and has 1 to 128 bytes of `[A-Za-z0-9._:@/+=-]`. An HTTP header may
//! hold much more: quotes and spaces that forge fields of a log line, bytes that turn a terminal's text around,
//! 64 KiB that every hop stores. Anything else is replaced and counted by reason ([`RequestIdHandle`]); the bytes
//! themselves are never repeated. Where a sender's id is not asked for, nothing is judged and nothing counted.
//!
//! A request whose context has an id already keeps it: two of these layers around each other give one id.
//!
//! # New ids
//!
//! [`Uuid7`] makes them, or [`Ulid`], [`Hex32`] or a [`Generate`] of your own. All three work on memory of their
//! thread alone: no lock, no system call, a look at the clock once a second, no allocation. Their random bits are those of ChaCha8, seeded by the operating system when a thread makes its first id and
//! again every 4,096 ids; the nanoseconds of the clock are mixed in, so that two processes forked from one do not
//! repeat each other's ids.
//!
//! # Ordering
//!
//! Outside everything that may refuse a request (timeouts, load shedding, limits, a panic's 500), because their
//! responses should carry the id; outside tracing, because the request's span is opened with the id in it; inside
//! health checks, whose probes need no name.
//!
//! # Cost
//!
//! Beyond the context (two allocations and one clock read, made by the first layer that needs it) a request whose
//! response has a header already pays one allocation, the text in the response's header: an empty or full header map
//! allocates when the id goes in. One more is the text in the request's header, where it has to be written there. It takes
//! about a quarter of the time of tower-http's pair of layers: `cargo bench -p macadam-benches --bench request_id`.
//!
//! The id's text is in the context, and in each [`RequestId`], as a whole, and each header value has its own copy: one
//! that is kept keeps nothing else alive, the buffer in which the request's head was read neither.
//!
//! # Differences from tower-http
//!
//! - One layer, not two whose order around `TraceLayer` decides whether the id is seen.
//! - tower-http 0.7 keeps any inbound value, of any length, and forwards several as they are.
//! - A request that brought no id gets none in its header unless [asked for](RequestIdLayer::on_request): the id is in
//!   the context.
//! - `Display`, `FromStr` and, with the feature `axum`, an extractor.
//! - No lock and no system call for a new id; `uuid`'s version 7 takes a lock shared by all threads, its version 4
//!   asks the system for randomness unless told otherwise.

#[cfg(feature = "axum")]
mod extract;
mod generate;
mod id;
mod inbound;
mod layer;
mod replaced;
mod service;

#[cfg(feature = "axum")]
pub use self::extract::MissingRequestId;
pub use self::{
    generate::{Generate, Hex32, Ulid, Uuid7},
    id::RequestId,
    inbound::Inbound,
    layer::RequestIdLayer,
    replaced::{Replaced, RequestIdHandle},
    service::{RequestIdService, ResponseFuture},
};
pub use macadam_core::context::InvalidRequestId;
