//! A deadline for every request, one timer, and a layer for the route that needs more.
//!
//! [`TimeoutLayer`] gives each request a deadline and answers for the service when it passes;
//! [`RouteTimeoutLayer`] moves it for a route; [`Inherit`] takes on that of the caller; [`Deadline`] shows it to the
//! handler, and tells it on to whoever the handler calls. [`RequestBodyTimeoutLayer`] bounds a client that does not send
//! its request's body.
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
//! | clock | from | to | default | then |
//! |---|---|---|---|---|
//! | the deadline | the request's arrival | the response: its head, or its last frame, see below | required | before the head 504, after it the body is cut |
//! | [`response_body_idle`](TimeoutLayer::response_body_idle) | a poll of the response's body that found no frame | the next frame | off | the body is cut |
//! | [`stream_idle`](TimeoutLayer::stream_idle) | the same, of a stream | the next frame | off | the body is cut |
//! | [`RequestBodyTimeoutLayer`] | a poll of the request's body that found no frame | the next frame | required | the body fails, and an error is answered with 408 |
//!
//! The arrival is the context's, where a layer outside has made one. In a request without a context the clock starts
//! when the service is first Pending, so that one which is ready at once costs no clock read; what that first poll took,
//! and what `poll_ready` took before, is not in it.
//!
//! A response that is ready at the very tick of the deadline is sent. The deadline stands still while it is
//! [paused](macadam_core::RequestContext::pause_deadline), but for one that was inherited from a caller.
//!
//! Layers around each other share one deadline and, in a request with a context, one timer. An inner one can only
//! shorten it, and it goes back when the inner service is done, with its last frame; it is counted from the arrival too,
//! so it is no timeout for each of several attempts. Only `RouteTimeoutLayer` and the handler may make it later.
//!
//! # After the head
//!
//! The deadline bounds the service's work, and how long that goes on is seen from the response alone; nothing that the
//! client says makes a difference.
//!
//! | the response | its deadline | a caller's deadline | idle clock |
//! |---|---|---|---|
//! | of known length: an exact `size_hint`, or a `Content-Length` | ends with the head | ends with the head | `response_body_idle` |
//! | a stream: `text/event-stream`, `multipart/x-mixed-replace`, `application/grpc*` | ends with the head | goes on to the last frame | `stream_idle` |
//! | an upgrade: 101, or a successful CONNECT | ends with the head | ends with the head | none |
//! | any other | goes on to the last frame | goes on to the last frame | `response_body_idle` |
//!
//! A body is cut by an error, its [`TimeoutCause`], which the server makes a broken connection or stream of, so that nobody
//! takes half an answer for a whole one. A gRPC response ends with status 4 in its trailers instead. The request's outcome is
//! `timed-out`, and what the service's body held is freed at once.
//!
//! An idle clock is the service's: while nobody asks for a frame, as with a client that does not read, it is off. A frame
//! that is ready moves no timer and takes no clock read, but for one in 32 or fewer: a body that always has one ready has
//! gone on for twice its time at most when it is cut, or for 32 frames too many, whichever is more.
//!
//! # A policy per route
//!
//! | a route that | takes |
//! |---|---|
//! | needs more, or less | [`RouteTimeoutLayer::new`] |
//! | is meant to have no deadline: a watch, a long poll | [`RouteTimeoutLayer::disabled`] |
//! | must not stop halfway | [`DetachLayer`]: the handler runs on in a task after its 504, which costs each call one allocation |
//! | would rather answer by itself than be dropped | [`Deadline::approaches`], in the handler |
//! | knows only as it runs how long it takes | [`Deadline::extend`], [`set_from_now`](Deadline::set_from_now), [`disable`](Deadline::disable) |
//!
//! A caller's deadline stands against all of these. [`TimeoutLayer::dry_run`] ends nothing, neither handler nor body, and
//! tells what it would have.
//!
//! # A deadline is inherited
//!
//! A caller that will not wait any longer is no reason to work on. With [`TimeoutLayer::inherit`] it says in a
//! [header](TimeoutHeader) how long it will; the handler's own calls say it on:
//!
//! ```
//! use std::{convert::Infallible, time::Duration};
//!
//! use http::{HeaderName, Request, Response};
//! use macadam_timeouts::{CurrentLayer, Deadline, Expired, Inherit, TimeoutHeader, TimeoutLayer};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! const HEADER: TimeoutHeader = TimeoutHeader::millis(HeaderName::from_static("x-request-timeout-ms"));
//!
//! /// What a client does with each request that it sends.
//! fn outbound() -> Result<Request<String>, Expired> {
//!     let mut request = Request::new(String::new());
//!     if let Some(deadline) = Deadline::current() {
//!         // Where nothing is left this is an error, and nothing is sent.
//!         deadline.write(request.headers_mut(), &HEADER, Duration::from_millis(5))?;
//!     }
//!     Ok(request)
//! }
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Infallible> {
//! let service = ServiceBuilder::new()
//!     .layer(TimeoutLayer::new(Duration::from_secs(3)).inherit(Inherit::shorten()))
//!     .layer(CurrentLayer)
//!     .service(service_fn(async |_: Request<String>| {
//!         tokio::time::sleep(Duration::from_millis(100)).await;
//!         let sent = outbound().expect("there is time left");
//!         assert_eq!(sent.headers()["x-request-timeout-ms"], "145");
//!         Ok::<_, Infallible>(Response::new(String::from("done")))
//!     }));
//!
//! let request = |ms| Request::get("/").header("x-request-timeout-ms", ms).body(String::new()).unwrap();
//! assert_eq!(service.clone().oneshot(request("250")).await?.status(), 200);
//! // It has passed when the request arrives: the handler is not called.
//! assert_eq!(service.oneshot(request("0")).await?.status(), 503);
//! # Ok(())
//! # }
//! ```
//!
//! - It runs from the request's arrival, so that time in a queue counts, and never stands still. In a request without a
//!   context it runs from the call, and the request gets a context to keep it in.
//! - Of several headers, and of several values, the smallest well-formed one counts. `grpc-timeout` is read in gRPC requests
//!   alone, by the grammar of grpc-go.
//! - A caller [shortens](Inherit::shorten). One that is [trusted](Inherit::trust) also lengthens, up to a limit; then the
//!   layer's own timeout gives way, and a route's ([`RouteTimeoutLayer`]) or a layer's outside does not.
//! - What is malformed is passed over, or [rejected](Malformed), and counted.
//! - What is written is rounded down: the next hop never gets more than is left.
//! - [`Deadline::current`] finds it where it was said to be current: in a [`CurrentLayer`], in
//!   [`spawn_with_context`], in a [`Deadline::scope`]. A task of `tokio::spawn` has none, and [`without_context`] keeps it
//!   from work that outlives the request.
//!
//! # Who is told
//!
//! The [`TimeoutCause`] is in the extensions of the response, and is the error with which a body fails;
//! [`TimeoutLayer::on_timeout`] is called with it, the time taken, the time allowed and the route; [`TimeoutHandle`] counts
//! it. And there is one line a second in the log at the most, of all layers together and of no request: `timing out`, with
//! how many have `expired` since the last one and the `cause.*` of these (in a dry run: `would time out`).
//!
//! # What it does not do
//!
//! - It bounds no client that does not read the response.
//! - It limits no body's size.
//! - It cannot end work that does not yield. At the deadline the handler is dropped where it awaits; what it has
//!   spawned runs on.
//! - A server has its own ways to end an answer early. hyper closes an HTTP/1.0 connection, which tells the client that
//!   the answer was whole, and resets an HTTP/2 stream with INTERNAL_ERROR; `macadam-serve` resets the one, and the
//!   other with CANCEL.
//! - A handler that runs on ([`DetachLayer`]) on a route holds nothing of what stands around the router: the place in
//!   load shedding's gate goes back with the 504. Put a limit of its own inside of that layer.
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
//! | a caller's timeout is malformed, and that is to be [rejected](Malformed::Reject) | 400 | `malformed-timeout` | 13 |
//! | it passed, or an idle clock ran out, after the head | as sent | | 4, in the trailers of a gRPC response |
//! | the request's body did not come in time, and the service then answers with an error that is no rejection itself ([`RequestBodyTimeoutLayer`]) | 408, `Connection: close` in HTTP/1 | `request-timeout` | 4 |
//!
//! The handler of a request that is answered 503 or 400 did not run. Of these answers 408 alone ends the connection.
//!
//! # Differences from tower-http
//!
//! | | `tower_http::timeout::TimeoutLayer` 0.7 | here |
//! |---|---|---|
//! | timer | made by each call, polled first | armed when the service is first Pending, polled last |
//! | a response that is ready as the timer fires | is thrown away | is sent |
//! | answer | a status of your choice, an empty body | 504 or 503, a problem document or a gRPC status |
//! | response bodies | that are `Default` | any |
//! | a body's time | `ResponseBodyTimeoutLayer` and `ResponseBodyDeadlineLayer`, one timer each; the one makes a timer for each frame, and loses Content-Length and END_STREAM | one deadline from the arrival to the last byte, one timer for both clocks, none for a frame that is ready |
//! | a body that is cut | fails, and may be polled on | fails, and has ended; gRPC has its status |
//! | a request's body that does not come | `RequestBodyTimeoutLayer`: an error, of which axum makes 400 | 408, and the deadline of the handler that waits stands still |
//! | streams | are cut like any other | are known by their head |
//! | a route with more time than the router | cannot be had | [`RouteTimeoutLayer`] |
//! | several layers around each other | a timer each | one timer |
//! | the handler asks what is left | cannot be had | [`Deadline`] |
//! | the caller's deadline | cannot be had | [`Inherit`] |
//! | the next hop is told | cannot be had | [`Deadline::write`] |
//! | says why, and who is told | – | [`TimeoutCause`], a hook, counts, a line in the log |
//! | a handler that runs on, a dry run | cannot be had | [`DetachLayer`], [`TimeoutLayer::dry_run`] |
//!
//! `tests/as_tower_http.rs` and `tests/as_tower_http_bodies.rs` have its tests, re-stated.

mod alarm;
mod body;
mod cause;
mod clocks;
mod course;
mod current;
mod deadline;
mod detach;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod grammar;
mod handle;
mod header;
mod inherit;
mod layer;
mod narrator;
mod nearest;
mod rehearsal;
mod request_body;
mod route;
mod service;
mod watch;

#[cfg(feature = "axum")]
pub use self::extract::MissingDeadline;
pub use self::{
    body::TimeoutBody,
    cause::{TimeoutCause, TimeoutEvent},
    current::{CurrentLayer, CurrentService, spawn_with_context, without_context},
    deadline::{Deadline, Expired},
    detach::{DetachFuture, DetachHandle, DetachLayer, DetachService},
    future::ResponseFuture,
    handle::TimeoutHandle,
    header::TimeoutHeader,
    inherit::{Inherit, Malformed},
    layer::TimeoutLayer,
    request_body::{RequestBody, RequestBodyTimeout, RequestBodyTimeoutFuture, RequestBodyTimeoutLayer},
    route::{RouteTimeoutLayer, RouteTimeoutService},
    service::TimeoutService,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
