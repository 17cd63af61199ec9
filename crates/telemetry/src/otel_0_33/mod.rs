//! Requests' spans for OpenTelemetry, of the minor version that the feature `otel-0_33` names.
//!
//! ```
//! use macadam_telemetry::otel_0_33::{self, Propagator, Sampling};
//! use opentelemetry::{global, trace::TracerProvider};
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let sampling = Sampling::from_env()?;
//! let provider = sampling.provider().build(); // with a processor that exports
//! let subscriber = tracing_subscriber::registry().with(sampling.layer(provider.tracer("orders")));
//! let _installed = tracing::subscriber::set_default(subscriber); // `set_global_default` in a service
//! global::set_text_map_propagator(Propagator);
//! otel_0_33::check()?; // that it all belongs together
//! # Ok(())
//! # }
//! ```
//!
//! # What is recorded
//!
//! Whether a request is sampled is decided before it has a span. One that is not costs little: its span, and all spans
//! inside it, are kept from the layer, not made and thrown away. Spans below the level `info` are not recorded, nor are
//! events: they are log records with the ids of their span, and an error in the log does not make the request one.
//!
//! The span of a request is of kind `SERVER`, and is called `GET /orders/{id}`, or `GET` where no route matched (`HTTP` for
//! a method that is in no standard). It lasts exactly as long as `http.server.request.duration` says. Its status is `ERROR`
//! where `error.type` is set, and unset for a 4xx, which is its client's. Nobody's text is longer than 1 KiB.
//!
//! | attribute | what |
//! |---|---|
//! | `http.request.method` | `_OTHER` for one that is in no standard |
//! | `http.request.method_original` | that one |
//! | `http.route` | the matched template; absent where none matched |
//! | `http.response.status_code` | absent where there was no answer |
//! | `error.type` | an [`ErrorType`](crate::ErrorType), as in the metrics; absent of a success |
//! | `url.path`, `url.query` | as they were sent, but for [secrets](crate#secrets) in the query |
//! | `url.scheme` | what the request says, or else the [layer's](crate::TelemetryLayer::scheme) |
//! | `network.protocol.version` | `1.0`, `1.1`, `2`, `3` |
//! | `server.address`, `server.port` | the host that the client asked for, and its port where it says one |
//! | `client.address`, `network.peer.address`, `network.peer.port` | the other end of the connection, where the listener knows it |
//! | `user_agent.original` | what the client calls itself |
//! | `request_id` | as in the log |
//! | `macadam.outcome` | [`Outcome`](macadam_core::Outcome) |
//!
//! # Ids
//!
//! The ids of the span are those of [`Trace`](crate::Trace), which the request's log lines bear. So the provider has to take
//! them from here: [`Sampling::provider`] makes one that does, and [`check`] fails for one that does not.
//!
//! # Non-features
//!
//! Baggage, `OTEL_PROPAGATORS` (what is told is W3C Trace Context), and samplers that ask somebody far away.

mod attributes;
mod check;
mod filter;
mod propagator;
mod recording;
mod sampling;
mod tracer;

pub(crate) use self::filter::RequestSpans;
pub use self::{
    check::{CheckError, check},
    propagator::Propagator,
    sampling::{Sampling, SamplingError},
};
use crate::fields::{Field, Signal};

/// The attributes of a request's span. The table above, for whoever writes docs from code.
pub const ATTRIBUTES: &[Field] = &[
    of("http.request.method", "text", "11", "The method, `_OTHER` for one that is in no standard"),
    of("http.request.method_original", "text", SENT, "That one"),
    of("http.route", "text", "one a route", "The matched template; absent where none matched"),
    of("http.response.status_code", "number", "one a status", "The answer's; absent where there was none"),
    of("error.type", "word", "one a kind of error, or a status of 5xx", "Why it counts as an error"),
    of("url.path", "text", SENT, "The path"),
    of("url.query", "text", SENT, "The query, without secrets"),
    of("url.scheme", "word", "2", "`http` or `https`"),
    of("network.protocol.version", "word", "5", "Of HTTP"),
    of("server.address", "text", SENT, "The host that the client asked for"),
    of("server.port", "number", SENT, "Its port, where the client says one"),
    of("client.address", "address", "one a client", "The other end of the connection"),
    of("network.peer.address", "address", "one a client", "The same"),
    of("network.peer.port", "number", "one a connection", "Its port"),
    of("user_agent.original", "text", SENT, "What the client calls itself"),
    of("request_id", "text", "one a request", "The request's id, as in the log"),
    of("macadam.outcome", "word", "one an outcome", "What became of the request"),
];

const fn of(name: &'static str, unit: &'static str, values: &'static str, help: &'static str) -> Field {
    Field::new(Signal::Recorded, name, unit, values, help)
}

const SENT: &str = "any, up to 1 KiB";
