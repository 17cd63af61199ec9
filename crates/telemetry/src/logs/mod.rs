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
//! {"timestamp":"2026-11-23T09:36:22.123456Z","severity":"WARN","severity_number":13,"message":"no answer","target":"orders::stock","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7","request_id":"0193a3f0","service.name":"orders","service.version":"1.2.3","service.instance.id":"8a2e6c1e-7d1b-4c5f-9a59-2b1f3d0c4e5a","error":"timed out","http.request.method":"GET","http.route":"/orders/{id}"}
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
//! # Secrets
//!
//! `REDACTED` stands in the place of
//! - a **field**, whatever is in it, whose name, or the last part of it after a dot, is `authorization`,
//!   `proxy-authorization`, `cookie`, `set-cookie` or one of the names below;
//! - what follows such a name **within a text**, after `=`, `:` or as `Debug` writes it: in a path with a query, in a header map, a request,
//!   a struct, a line of HTTP;
//! - name and password in `scheme://name:password@host`.
//!
//! The names: `access-token`, `api-key`, `apikey`, `auth-token`, `AWSAccessKeyId`, `client-secret`, `id-token`, `jwt`,
//! `passwd`, `password`, `private-key`, `pwd`, `refresh-token`, `secret`, `secret-key`, `sig`, `Signature`, `token`,
//! `X-Amz-Credential`, `X-Amz-Security-Token`, `X-Amz-Signature`, `x-api-key`, `x-auth-token`, `x-csrf-token`,
//! `X-Goog-Signature`. Case does not matter, nor whether it is `-` or `_`.
//!
//! **Not caught** is a secret without its name beside it (`info!(?header_value)`, `info!("the token {token}")`), one in a path
//! (`/reset/3f9a…`), in a name that is not listed or is percent-encoded, and one that is encoded itself, as in bytes that are
//! told as numbers. What must not be told is better not logged.

mod json;
mod object;
mod pretty;
mod repeats;
mod secrets;
mod value;
mod writer;

pub use self::{
    json::JsonLayer,
    pretty::{PrettyEvents, PrettyFields},
    repeats::Repeats,
    writer::{Line, LogWriter, Unawaited},
};

/// What is ours in a line of JSON: the name, how it is written, and what it is. The table above, for whoever writes docs from
/// code.
pub const MEMBERS: &[(&str, &str, &str)] = &[
    ("timestamp", "RFC 3339, in UTC, to the microsecond", "When it happened"),
    ("severity", "`ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`", "The level"),
    ("severity_number", "17, 13, 9, 5 or 1", "The same, as OpenTelemetry's log data model numbers it"),
    ("message", "text", "What happened"),
    ("target", "text", "The module that says so, or what it says in its place"),
    ("trace_id", "32 hexadecimal digits", "The trace of the request within which it happened"),
    ("span_id", "16 hexadecimal digits", "The span of that request"),
    ("request_id", "text", "The id of that request"),
    ("service.name", "text", "The service's name"),
    ("service.namespace", "text", "What tells it from services of the same name, where that is said"),
    ("service.version", "text", "The service's version, where that is known"),
    ("service.instance.id", "a UUID, unless something else is said", "The process"),
    ("repeated", "number", "How many of the same place were left out since the last that was written"),
    ("dropped_attributes_count", "number", "How many fields had no room"),
];
