//! A guard that is held to the last frame of a response.
//!
//! A response is not over when its head is: permits, gauges and the in-flight table have to live as long as its
//! body. [`GuardedFuture`] holds a [`Guard`] while the service makes the response, then moves it into the
//! [`GuardedBody`], which holds it until the body is *finished*, fails, or is dropped.
//!
//! # When a body is finished
//!
//! A server drops many a body that it has no more use for without polling it to its `None`. So a body counts as
//! finished when
//! - it said [`is_end_stream`](http_body::Body::is_end_stream) from the start;
//! - it handed out a frame after which `is_end_stream` holds, or trailers, or `None`;
//! - it handed out as many bytes as its exact [`size_hint`](http_body::Body::size_hint) promised, which may be none;
//! - it is never sent: the request was HEAD, or a CONNECT that succeeded, or the status is 1xx, 204 or 304.
//!
//! Every other drop is [`End::Dropped`]: the client went away, unless whoever reads it knows of a shutdown that ran
//! out of time; or [`End::Panicked`] after a panic in it, or while the thread unwinds.

mod future;
mod guard;
mod guarded;
mod pace;
mod response;
mod rule;
mod streaming;

pub use self::{
    future::GuardedFuture,
    guard::{End, Guard, Hold},
    guarded::GuardedBody,
    pace::{MinRate, Pace},
    response::ResponseBody,
    rule::BodyRule,
    streaming::Streaming,
};
