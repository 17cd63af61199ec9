//! The vocabulary that macadam's layers share.
//!
//! Two layers that never heard of each other still have to agree on what a request is, when it is over and how
//! it is refused. That agreement is this crate, and nothing else is in it: no I/O, no logging, no settings, no
//! parser of headers, no clock beyond the instant at which a request arrived.
//!
//! | module | the one idea |
//! |---|---|
//! | [`context`] | what travels with a request: arrival, deadline, id, peer, route, stage, outcome |
//! | [`rejection`] | what a layer answers instead of the service, and the one form in which it does |
//! | [`body`] | a guard that is held to the last frame of a response, and told how it ended |
//! | [`in_flight`] | the table of requests that are not over yet |
//! | [`outcomes`] | what became of those that are: how many, how long, the last that were slow or failed |
//! | [`phase`] | how far a process is on its way from start to exit |
//! | [`gauges`] | how a layer's handle is read from outside, without anybody on a request's path |
//! | [`Sharded`] | what every request touches, split so that threads do not wait for each other |
//!
//! Most services never name this crate; a layer that wants to live on the same road does:
//!
//! ```
//! use http::Request;
//! use macadam_core::{Kind, Rejection, RequestContext};
//!
//! let mut request = Request::get("/orders").body(()).unwrap();
//! let context = RequestContext::of(&mut request);
//! context.set_request_id("01J-42").unwrap();
//!
//! let refusal = Rejection::new(Kind::Overloaded).retry_after_secs(2);
//! let response: http::Response<macadam_core::ResponseBody<String>> =
//!     refusal.into_response(context.wire(), Some(&context), None);
//!
//! assert_eq!(response.status(), 503);
//! assert_eq!(response.headers()["retry-after"], "2");
//! assert_eq!(response.extensions().get::<Rejection>().unwrap().kind(), Kind::Overloaded);
//! ```
//!
//! # Versions
//!
//! Two versions of this crate in one build would mean two contexts in one request, each invisible to the other.
//! So it keeps the discipline of a 1.0 crate, and Cargo refuses a build that has two (`links` in its manifest).

pub mod body;
pub mod context;
pub mod gauges;
pub mod in_flight;
pub mod outcomes;
pub mod phase;
pub mod rejection;
mod sharded;
mod sync;
mod thread;

pub use body::{BodyRule, End, Guard, GuardedBody, GuardedFuture, Hold, ResponseBody, Streaming};
pub use context::{Criticality, Outcome, Protocol, RequestContext, Route, Stage, Wire};
pub use gauges::{Gauges, Metric, MetricKind, Reading, Series};
pub use in_flight::{InFlight, InFlightGuard};
pub use outcomes::{Durations, Noted, Outcomes};
pub use phase::{Phase, PhaseOwner, PhaseWatch};
pub use rejection::{Kind, Rejection, Render};
pub use sharded::{Mine, Sharded, Share};
