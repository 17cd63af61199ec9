//! Layers of tracing-subscriber that write the log.
//!
//! [`JsonLayer`] is for a collector, and [`PrettyEvents`] with [`PrettyFields`] are for a person. Both leave out
//! [`Repeats`] and secrets. [`LogWriter`] is where they write to, and what no request waits for.
//!
//! ```
//! use macadam_telemetry::{Resource, logs::{JsonLayer, LogWriter, Repeats}};
//! use tracing_subscriber::{layer::SubscriberExt, registry};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let writer = LogWriter::spawn(std::io::stdout())?;
//! let json = JsonLayer::new(writer.clone(), &Resource::new("orders", Some("1.2.3")), Repeats::new(10));
//! let subscriber = registry().with(json);
//! # tracing::subscriber::with_default(subscriber, || tracing::info!("it works"));
//! let serving = writer.unawaited();
//! // .. until the service ends
//! drop(serving); // flushes
//! # Ok(()) }
//! ```
//!
//! # A line
//!
//! ```json
//! {"timestamp":"2026-11-23T09:36:22.123456Z","severity":"WARN","severity_number":13,"message":"no answer","target":"orders::stock","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","request_id":"0193a3f0","service.name":"orders","service.version":"1.2.3","service.instance.id":"8a2e6c1e-7d1b-4c5f-9a59-2b1f3d0c4e5a","error":"timed out","http.request.method":"GET"}
//! ```
//!
//! | name | what |
//! |---|---|
//! | `timestamp` | when, in UTC |
//! | `severity`, `severity_number` | `ERROR` 17, `WARN` 13, `INFO` 9, `DEBUG` 5, `TRACE` 1: the names and numbers of OpenTelemetry's log data model |
//! | `message` | what happened, where the event says it: the model's `Body`. Its mapping of other formats reads that from `message`, as all do that read JSON |
//! | `target` | the module, or what the event says in its place: the model's instrumentation scope |
//! | `trace_id`, `span_id`, `request_id` | of the request, in every event inside its span, whatever is logged from where |
//! | `service.name`, `service.namespace`, `service.version`, `service.instance.id` | of the [`Resource`](crate::Resource), those that it has |
//! | any other | the event's fields, then those of the spans around it, the innermost first |
//! | `repeated` | how many events of the same place were left out since the last that was written |
//! | `dropped_attributes_count` | how many fields had no room |
//!
//! No two members have the same name. A field that takes one of ours is `field.target`, say; one of a span gives way to
//! the event's, and to one of a span further in. Fields whose names begin with `otel.` are for OpenTelemetry's layer, and are
//! left out. A text that is longer than 8 KiB is cut, and ends with `…[cut]`; an error is told with what it came from, eight
//! causes of it. A line has 64 members at most, of which none begins after 64 KiB. What is a control character, or turns the direction of a text, is
//! escaped: a peer can write nothing to a terminal, and no second line.
//!
//! What is spawned has its request's span only if it is given it: `tokio::spawn(work.in_current_span())`.
//!
//! What is left out of it as a secret, the [front page](crate#secrets) says.

mod json;
mod object;
mod pretty;
mod repeats;
mod value;
mod writer;

pub use self::{
    json::JsonLayer,
    pretty::{PrettyEvents, PrettyFields},
    repeats::Repeats,
    writer::{Line, LogWriter, Unawaited},
};
use crate::fields::{Field, Signal};

/// What is ours in a line of JSON.
pub const MEMBERS: &[Field] = &[
    Field::new(Signal::Line, "timestamp", "RFC 3339, in UTC, to the microsecond", EACH, "When it happened"),
    Field::new(Signal::Line, "severity", "word", "5", "`ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`"),
    Field::new(
        Signal::Line,
        "severity_number",
        "number",
        "5",
        "The same, as OpenTelemetry's log data model numbers it: 17, 13, 9, 5 or 1",
    ),
    Field::new(Signal::Line, "message", "text", EACH, "What happened"),
    Field::new(
        Signal::Line,
        "target",
        "text",
        "one a module",
        "The module that says so, or what it says in its place",
    ),
    Field::new(
        Signal::Line,
        "trace_id",
        "32 hexadecimal digits",
        "one a trace",
        "The trace of the request within which it happened",
    ),
    Field::new(Signal::Line, "span_id", "16 hexadecimal digits", "one a request", "The span of that request"),
    Field::new(Signal::Line, "request_id", "text", "one a request", "The id of that request"),
    Field::new(Signal::Line, "service.name", "text", "1", "The service's name"),
    Field::new(
        Signal::Line,
        "service.namespace",
        "text",
        "1",
        "What tells it from services of the same name, where that is said",
    ),
    Field::new(Signal::Line, "service.version", "text", "1", "The service's version, where that is known"),
    Field::new(
        Signal::Line,
        "service.instance.id",
        "a UUID, unless something else is said",
        "one a process",
        "The process",
    ),
    Field::new(
        Signal::Line,
        "repeated",
        "number",
        EACH,
        "How many of the same place were left out since the last that was written",
    ),
    Field::new(Signal::Line, "dropped_attributes_count", "number", EACH, "How many fields had no room"),
];

const EACH: &str = "one a line";
