//! The paved road for axum services: production defaults by stacking small Tower layers.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//!
//! #[tokio::main]
//! async fn main() -> Result<macadam::Report, macadam::Error> {
//!     let app = Router::new().route("/", get(async || "hello"));
//!     macadam::serve(app).await
//! }
//! ```
//!
//! That service has a request id in every answer and every log line, a deadline for every request, a limit on what is
//! in flight, probes on a thread of their own, a 500 where a handler panics, and a shutdown that finishes what it
//! began and ends when it said it would. Each of these is a crate of its own that works on stock axum; this one puts
//! them together, and knows the order.
//!
//! ```
//! use axum::{Router, routing::get};
//! use macadam::{Check, Road, Settings};
//!
//! async fn ping() -> Result<(), std::io::Error> {
//!     Ok(())
//! }
//!
//! async fn flush() -> Result<(), std::io::Error> {
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), macadam::Error> {
//! let road = Road::builder("orders")
//!     .settings(Settings::from_toml("[timeouts]\nrequest = \"800ms\"")?)
//!     .check(Check::new("postgres", ping).critical())
//!     .on_shutdown("flush outbox", flush)
//!     .build()?; // every mistake in the settings, named, here
//!
//! let app = Router::new().route("/", get(async || "hello"));
//! let service = road.wrap(app); // or `road.serve(app).await`
//! # drop(service);
//! # Ok(()) }
//! ```
//!
//! # Order
//!
//! Outermost first: health, request id, telemetry, drain, catch-panic, timeouts, load-shed, body limit, and the Router
//! with a route tap inside it. The reasons stand in `docs/ordering.md`; what the words mean in `docs/semantics.md`; every
//! setting in `docs/defaults.md`.
//!
//! # TLS
//!
//! With the feature `tls`, `serve.tls_certificate` and `serve.tls_key` name two PEM files, and the public listener speaks TLS
//! and nothing else: HTTP/2 or HTTP/1.1, as the client prefers. The files are read again once a minute, so a certificate is
//! renewed by replacing them. A gauge says when it expires, and one whether the files are of use.
//!
//! # OpenTelemetry
//!
//! With the feature `otel`, where the environment has `OTEL_EXPORTER_OTLP_ENDPOINT` (`http://localhost:4318`), metrics, traces and
//! logs go there, by OTLP over HTTP; the docs of `macadam_telemetry::otlp` list the other variables. The road then brings the tracer provider and
//! the propagator too, which other crates find by asking OpenTelemetry. A service that has set up a subscriber of `tracing` of its own is
//! told at the start what that lacks.
//!
//! # Refusals
//!
//! | condition | status | headers | kind |
//! |---|---|---|---|
//! | the handler panicked | 500 | | `panicked` |
//! | the request's body is larger than its limit | 413 | `Connection: close` | `content-too-large` |
//! | the deadline passed while the handler ran | 504 | | `deadline-exceeded` |
//! | the deadline passed before it could | 503 | | `deadline` |
//! | a header says in a malformed way how long the caller waits, and `timeouts.malformed` is `reject` | 400 | | `malformed-timeout` |
//! | no room, and none in the queue | 503 | `Retry-After` | `overloaded` |
//! | the next piece of the request's body did not come | 408 | `Connection: close` | `request-timeout` |
//!
//! All are problem documents with the request's id, or a gRPC status for a gRPC request;
//! [`on_rejection`](RoadBuilder::on_rejection) replaces the form.
//!
//! # Non-features
//!
//! The PROXY protocol, HTTP/3, certificates of clients, ids on the 400 and 431 with which hyper answers what is not HTTP, the route of a
//! nested service that is not a Router, and axum's `ConnectInfo`: the peer is in the [`RequestContext`], which a handler
//! gets as an `Extension`.

/// The examples in the README are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

mod body_limit;
mod builder;
mod catch_panic;
mod error;
mod export;
mod logs;
mod loopback;
mod make;
mod metrics;
#[cfg(feature = "otel")]
mod otlp;
mod place;
mod road;
mod service;
pub mod settings;
mod stack;
mod tls;

pub use macadam_core::{Kind, Outcome, Rejection, Render, RequestContext};
pub use macadam_graceful_shutdown::{
    Draining, Finite, Hook, Report, ShutdownHandle, Turn, UntilDraining, Upgraded,
};
pub use macadam_health::{Check, Latch};
pub use macadam_load_shed::{LoadShedHandle, Mode};
pub use macadam_request_id::RequestId;
pub use macadam_telemetry::TraceContext;
pub use macadam_telemetry::{BuildInfo, build_info};
pub use macadam_timeouts::{
    CurrentLayer, Deadline, Expired, RouteTimeoutLayer, TimeoutHeader, spawn_with_context, without_context,
};

pub use self::{
    body_limit::{BodyLimit, MoveBodyLimit},
    builder::RoadBuilder,
    error::Error,
    make::{ConnectionFuture, ConnectionService, MakeRoadService},
    road::{Road, serve},
    service::{RoadBody, RoadFuture, RoadService},
    settings::{Settings, SettingsError},
};
