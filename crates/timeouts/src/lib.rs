//! A deadline for every request, one timer, and a layer for the route that needs more.
//!
//! [`TimeoutLayer`] gives each request a deadline and answers for the service when it passes;
//! [`RouteTimeoutLayer`] moves it for a route; [`Deadline`] shows it to the handler.
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//!
//! use http::{Request, Response};
//! use macadam_timeouts::TimeoutLayer;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Infallible> {
//! let handler = service_fn(|request: Request<String>| async move {
//!     let work = if request.uri().path() == "/quick" { 1 } else { 10 };
//!     tokio::time::sleep(Duration::from_secs(work)).await;
//!     Ok::<_, Infallible>(Response::new(String::from("done")))
//! });
//! let service = TimeoutLayer::new(Duration::from_secs(3)).layer(handler);
//!
//! let quick = Request::get("/quick").body(String::new()).unwrap();
//! assert_eq!(service.clone().oneshot(quick).await?.status(), 200);
//!
//! let slow = Request::get("/slow").body(String::new()).unwrap();
//! let response = service.oneshot(slow).await?;
//! assert_eq!(response.status(), 504);
//! assert_eq!(response.headers()["content-type"], "application/problem+json");
//! # Ok(())
//! # }
//! ```
//!
//! In axum, with one route that may take longer:
//!
//! ```
//! use std::time::Duration;
//!
//! use axum::{Router, routing::get};
//! use macadam_timeouts::{RouteTimeoutLayer, TimeoutLayer};
//!
//! let export = get(async || "a long list").layer(RouteTimeoutLayer::new(Duration::from_secs(60)));
//! let app: Router = Router::new()
//!     .route("/", get(async || "hello"))
//!     .route("/export", export)
//!     .layer(TimeoutLayer::new(Duration::from_secs(3)));
//! ```
//!
//! # Which clock runs
//!
//! One, from the request's arrival to the head of its response. The arrival is the context's, where a layer outside
//! has made one. In a request without a context the clock starts when the service is first Pending, so that one which
//! is ready at once costs no clock read; what that first poll took, and what `poll_ready` took before, is not in it.
//!
//! A response that is ready at the very tick of the deadline is sent. The deadline stands still while it is
//! [paused](macadam_core::RequestContext::pause_deadline), but for one that was inherited from a caller.
//!
//! Layers around each other share one deadline and, in a request with a context, one timer. An inner one can only
//! shorten it, and it goes back when the inner service is done; it is counted from the arrival too, so it is no timeout
//! for each of several attempts. Only `RouteTimeoutLayer` and the handler may make it later.
//!
//! # What it does not do
//!
//! - It bounds no body: not the reading of the request's by itself, and not the sending of the response's. An event
//!   stream or a WebSocket is never cut.
//! - It cannot end work that does not yield. At the deadline the handler is dropped where it awaits; what it has
//!   spawned runs on.
//!
//! # Ordering
//!
//! Inside of what gives the request its id, so that the rejection can name it, and of telemetry, which sees the
//! rejection as the outcome. Outside of whatever can make a request wait, as a queue or a concurrency limit does, so
//! that the wait counts.
//!
//! # Rejections
//!
//! | condition | status | kind | gRPC status |
//! |---|---|---|---|
//! | the deadline had passed before the service was called | 503 | `deadline` | 4 |
//! | it passed while the service ran, which is dropped | 504 | `deadline-exceeded` | 4 |
//!
//! The handler of a request that is answered 503 did not run. Neither answer ends the connection.
//!
//! # Differences from tower-http
//!
//! | | `tower_http::timeout::TimeoutLayer` 0.7 | here |
//! |---|---|---|
//! | timer | made by each call, polled first | armed when the service is first Pending, polled last |
//! | a response that is ready as the timer fires | is thrown away | is sent |
//! | answer | a status of your choice, an empty body | 504 or 503, a problem document or a gRPC status |
//! | response bodies | that are `Default` | any |
//! | a route with more time than the router | cannot be had | [`RouteTimeoutLayer`] |
//! | several layers around each other | a timer each | one timer |
//! | the handler asks what is left | cannot be had | [`Deadline`] |
//! | counts | none | [`TimeoutHandle`] |

mod current;
mod deadline;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod grammar;
mod handle;
mod header;
mod inherit;
mod layer;
mod nearest;
mod route;
mod service;
mod watch;

#[cfg(feature = "axum")]
pub use self::extract::MissingDeadline;
pub use self::{
    current::{CurrentLayer, CurrentService, spawn_with_context, without_context},
    deadline::{Deadline, Expired},
    future::ResponseFuture,
    handle::TimeoutHandle,
    header::TimeoutHeader,
    inherit::{Inherit, Malformed},
    layer::TimeoutLayer,
    route::{RouteTimeoutLayer, RouteTimeoutService},
    service::TimeoutService,
};
