//! Load shedding: one gate that refuses early what it could not serve in time.
//!
//! A limit on the requests in flight, a short queue before it, and an answer for whoever finds both full. There is one
//! gate a layer, made in its constructor: the twenty routes under a layer share one limit.
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::{Router, routing::get};
//! use http::{Request, StatusCode};
//! use macadam_load_shed::LoadShedLayer;
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (shed, gate) = LoadShedLayer::new(1)?.queue(0).max_wait(Duration::from_millis(100)).pair();
//! let app: Router = Router::new().route("/", get(async || "hello")).layer(shed);
//! let request = || Request::get("/").body(axum::body::Body::empty());
//!
//! // A response holds its slot until its body is over ...
//! let first = app.clone().oneshot(request()?).await?;
//! assert_eq!(first.status(), StatusCode::OK);
//! assert_eq!(gate.in_flight(), 1);
//!
//! // ... and who finds neither a slot nor a place in the queue is refused.
//! let second = app.clone().oneshot(request()?).await?;
//! assert_eq!(second.status(), StatusCode::SERVICE_UNAVAILABLE);
//! let seconds: u32 = second.headers()["retry-after"].to_str()?.parse()?;
//! assert!((1..=3).contains(&seconds));
//!
//! drop(first);
//! assert_eq!(app.oneshot(request()?).await?.status(), StatusCode::OK);
//! # Ok(())
//! # }
//! ```
//!
//! # In flight
//!
//! A request is in flight from its admission until the last frame of its response is handed on, the response fails,
//! or either is dropped. A response that goes on without end gives its slot back with its head: an upgrade (101, or a
//! 2xx to `CONNECT`) and an event stream (`text/event-stream`).
//!
//! # The queue
//!
//! What finds no slot waits, first come first served, and is handed the slot that a release or a higher limit frees:
//! one slot, one waiter, and no newcomer overtakes it. A waiter whose client goes away leaves the queue at once.
//!
//! The clock of a wait runs from the call to the admission, and ends at [`max_wait`](LoadShedLayer::max_wait) or at the
//! request's [deadline](macadam_core::RequestContext::deadline), whichever is earlier. A handler never starts after its
//! deadline in a queue: it is looked at again when the slot is there. Where an outer layer owns the request's timer,
//! that one is asked; else a timer is armed when the wait begins. What is admitted at once reads no clock.
//!
//! # Rejections
//!
//! | condition | status | headers | kind | `reason` |
//! |---|---|---|---|---|
//! | no slot, and no place in the queue | 503 (gRPC: 14) | `Retry-After`, 1 to 3 unless set otherwise | `overloaded` | `queue-full` |
//! | no slot in the longest wait there is | 503 (gRPC: 14) | the same | `overloaded` | `queue-wait` |
//! | no slot before the request's deadline | 503 (gRPC: 4) | | `deadline` | `deadline` |
//!
//! In all cases the handler did not run, so the request can safely be sent again. The rejection stays in the
//! response's extensions, the request's outcome is [`Shed`](macadam_core::Outcome::Shed), and nothing is logged: what
//! is refused by the thousand is counted, in the handle's [gauges](LoadShedHandle).
//!
//! # Ordering
//!
//! Inside what gives the request its id and its deadline, so that a refusal bears the one and a wait heeds the other;
//! inside what records requests, so that those refused are among them; and inside what catches panics, since a slot is
//! given back by the unwinding. Outside whatever does work: body limits, decompression, authentication against a
//! database, the router. A health check that has to be answered under load goes outside, or is
//! [exempt](LoadShedLayer::exempt).
//!
//! It works inside `Router::layer`, `route_layer` and on a `MethodRouter` too. There it counts what has been routed.
//!
//! # What it does not do
//!
//! - It does not find the limit: that is a number, set at the start or by whoever holds the
//!   [handle](LoadShedHandle::set_limit). One that is too high protects nothing, and one that is too low refuses what
//!   would have fitted; the queue forgives a little of either.
//! - It does not see a handler that burns CPU without yielding. As many of those as there are workers keep everybody
//!   else from being called at all, and in flight never comes near a limit.
//! - It does not infer load from a service that is not ready. `Poll::Pending` may be anything, such as the turn of
//!   another task.
//! - It knows no priorities and no tenants, limits no rate, and never cuts short what it has admitted.
//! - It does not read what is left of a refused request's body. HTTP/1 closes the connection over it where there is too
//!   much.
//!
//! # Differences from tower
//!
//! `ConcurrencyLimitLayer` makes a semaphore for each service, so that each route of a router has its own;
//! `GlobalConcurrencyLimitLayer` shares one. Both wait in `poll_ready`, which a router calls inside the request's future:
//! a queue without a bound or a clock. With `LoadShedLayer` around them, *every* `Pending` is a refusal, and an error
//! that a `HandleErrorLayer` must turn into a response. Their permits end with the response's head; here it is with its
//! body. A semaphore can be shrunk by its free permits alone, of which there are none when it matters; here a lower
//! limit binds at once.

mod alarm;
mod error;
mod future;
mod gate;
mod handle;
mod layer;
mod permit;
mod policy;
mod queue;
mod refusal;
mod service;
mod sync;
mod waiting;

pub use self::{
    error::ConfigError, future::ResponseFuture, handle::LoadShedHandle, layer::LoadShedLayer, permit::Permit,
    policy::Mode, service::LoadShed,
};
