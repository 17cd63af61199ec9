//! One span a request, from its arrival to the last frame of its body.
//!
//! [`TelemetryLayer`] runs every request inside a `tracing` span, so that whatever is logged on its behalf bears its
//! ids and its route, and writes one access event when the request is over. It installs no subscriber, refuses nothing,
//! and arms no timer. With the feature `otel-0_33`, its module `otlp` sends metrics, spans and logs to an OpenTelemetry
//! collector.
//!
//! ```
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use macadam_core::{Outcome, RequestContext};
//! use macadam_telemetry::TelemetryLayer;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), std::convert::Infallible> {
//! let (layer, handle) = TelemetryLayer::new().pair();
//! let service = layer.layer(service_fn(async |_: Request<()>| {
//!     tracing::info!("inside the request's span");
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::new("hello".as_bytes())))
//! }));
//!
//! let mut request = Request::get("/").body(()).unwrap();
//! let context = RequestContext::of(&mut request);
//! let response = service.clone().oneshot(request).await?;
//! assert_eq!(handle.active(), 1, "its body has not been sent");
//! response.into_body().collect().await?;
//! assert_eq!((handle.active(), context.outcome()), (0, Outcome::Finished));
//!
//! let mut request = Request::get("/").body(()).unwrap();
//! let context = RequestContext::of(&mut request);
//! drop(service.oneshot(request).await?);
//! assert_eq!((handle.active(), context.outcome()), (0, Outcome::Cancelled), "nobody read the answer");
//! # Ok(())
//! # }
//! ```
//!
//! # What is recorded
//!
//! The span is `request`, at level `info`, of target `macadam::request`. It is open from the layer's call until the
//! response's body is dropped, which servers do as soon as they have its last frame, and entered whenever the
//! service's future or that body is polled or dropped.
//!
//! | field | when | what |
//! |---|---|---|
//! | `request_id` | at the call | the context's, where a layer further out has set one |
//! | `trace_id`, `span_id` | at the call | of the request, in hexadecimal, whether or not anybody exports traces |
//! | `http.request.method` | at the call | `_OTHER` for one that is in no standard |
//! | `http.route` | with the response's head, or else at the end | the matched template, where a layer further in has set one |
//! | `http.response.status_code` | with the response's head | absent where there was none |
//! | `macadam.outcome` | at the end | [`Outcome`](macadam_core::Outcome), as whoever refused or cut the request settled it; else `finished`, `failed`, `cancelled` or `panicked` |
//!
//! The event is `request ended`, at level `info`, inside the span; at `debug` for a request that was shed, of which there
//! may be many, and of which the load shedder says how many; at another level, or not at all, as [`Access`] says. A request that
//! failed is at no other level: whoever failed has said why by itself. It has a target of its own, `macadam::access`, so
//! that an access log can be had or left without a filter on anything else. Its fields are
//! `http.response.status_code`, `macadam.outcome`, `error.type` (as in the metrics, and absent of a success) and
//! `duration_seconds`: from the request's arrival, as its context knows it, to the end of the response.
//!
//! Paths, queries and headers are in neither: they hold secrets, and are a peer's to choose.
//!
//! # Traces
//!
//! Every request has a place in a trace ([`Trace`]), whether or not anything is exported, so that the log lines of one request
//! have one pair of ids in all services. What a caller says of its trace, by [W3C Trace Context], is anybody's to say:
//!
//! | [`Inbound`] | the request's trace | sampled |
//! |---|---|---|
//! | `Link`, the default | a new one; its span has a link to the caller's | as the sampler says |
//! | `Trust` | the caller's, where its header is valid and there once; else a new one | as the caller's is, if the sampler is `parentbased_…` |
//! | `Ignore` | a new one | as the sampler says |
//!
//! A handler tells the next hop with [`TraceContext::inject`]. A trace that was continued keeps its `tracestate`, up to 512 bytes of it,
//! and whether its id is random; baggage is neither read nor passed on. Where no spans are recorded a trusted caller's
//! header is passed on as it came, so that its span is the parent of the next hop's.
//!
//! Spans are recorded with the feature `otel-0_33`, which is OpenTelemetry of that minor version (the module `otel_0_33`). A
//! request that is not sampled costs some 180 ns more than without it where there is a log, and 370 ns where there is none;
//! most of that is `tracing`'s.
//!
//! [W3C Trace Context]: https://www.w3.org/TR/trace-context-2/
//!
//! # When a request is over
//!
//! When the last frame of its body is handed to the transport, by the rule of [`macadam_core::body`]; for HEAD, 204,
//! 304 and upgrades, when the head is. When its future or its body fails, panics or is dropped. Until then it counts
//! as active in [`TelemetryHandle`], and as `macadam_requests_active` in its [`Gauges`](macadam_core::Gauges).
//!
//! What became of it is kept in the handle's [`Outcomes`](macadam_core::Outcomes): a count by outcome, a histogram of how
//! long requests took, and a line for each of the last that were slow or failed. Nobody allocates or waits for that; it
//! takes one look at the clock, or none where the head is all there is to send.
//!
//! # Metrics
//!
//! An [`Exposition`] writes what is measured as text for Prometheus, in either [`Format`], with the figures of other handles
//! beside it.
//!
//! | metric | what | labels |
//! |---|---|---|
//! | `http_server_request_duration_seconds` | a histogram with the [bounds](BOUNDS) of OpenTelemetry's conventions: from the arrival to the last byte, or whatever ended the request before that | all |
//! | `macadam_http_server_time_to_first_byte_seconds` | the same from the arrival to the response's head | all but `error_type` |
//! | `macadam_http_server_streams_total` | event streams and upgraded connections that are over; how long they were says nothing of the service, so they are not in the durations | all |
//! | `http_server_active_requests` | those that are not over | `http_request_method`, `url_scheme` |
//!
//! | label | what |
//! |---|---|
//! | `http_request_method` | `_OTHER` for one that is in no standard |
//! | `http_route` | the matched template; absent where none matched, and never the path |
//! | `http_response_status_code` | of the answer; absent where there was none |
//! | `error_type` | an [`ErrorType`]: `timeout`, `cancelled`, `shed`, `panic`, `shutdown`, `service`, or the status of a 5xx; absent of a success and of a 4xx, which is the client's |
//! | `network_protocol_version` | `1.0`, `1.1`, `2`, `3` |
//! | `url_scheme` | what the request says, or else the [layer's](TelemetryLayer::scheme) |
//!
//! In OpenMetrics, and by OTLP, each bucket of the durations names a request that is in it, its *exemplar*: trace id, span id, how
//! long it took, and when it was over. That is the first one after the metrics were last read whose ids lead to something: whose
//! span was recorded, or, where nobody records spans, of which the log has the ids. The last one before a reading would tell no
//! more and cost every request; this way all but one of them look at two words and go on.
//!
//! [`Process`] has figures of the process, of its control group and of tokio's runtime, for the same text.
//!
//! None of it is a peer's to choose: ten thousand made-up methods, hosts or paths are one series at the most. Of each metric
//! 2,047 series are kept, and what is beyond is one more, `otel_metric_overflow="true"`. Each thread counts in cells of its
//! own, which are found by one word that all labels fit in: no lock, no text to hash, no allocation.
//!
//! # Logs
//!
//! With the feature `logs`, the module `logs` has layers of tracing-subscriber that write the log: a JSON object a line, or a
//! form for a person; without secrets, without repeats, and by a thread that no request waits for.
//!
//! # Secrets
//!
//! In the log, in log records and in the queries of spans `REDACTED` stands in the place of
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
//!
//! # Ordering
//!
//! Inside request ids, which the span begins with. Outside everything that refuses, ends or catches a request, whose
//! outcomes it sees; what a layer further out answers itself, it does not see. One of them is enough: a second one
//! further in opens a second span inside the first, which is in a trace of its own.
//!
//! On axum a `RouteTapLayer` (with the feature `axum`) stands inside, around the Router's endpoints: without it there is no
//! `http.route`, in neither metrics, spans nor log.
//!
//! # Differences from tower-http
//!
//! - `TraceLayer` has a parameter for each of seven hooks; this has none. What it records is the table above.
//! - `TraceLayer` says nothing of a request whose client went away, unless `OnEarlyDropLayer` stands inside it.
//! - `TraceLayer`'s default span has the raw path in it, query and all.
//! - What is dropped with a request, is dropped inside its span.
//! - `TraceLayer` knows no traces: ids, callers and next hops are another crate's.

mod access;
mod build_info;
mod fields;
mod guard;
mod handle;
mod in_span;
mod layer;
#[cfg(feature = "logs")]
pub mod logs;
mod metrics;
#[cfg(feature = "otel-0_33")]
pub mod otel_0_33;
#[cfg(feature = "otel-0_33")]
pub mod otlp;
mod process;
mod resource;
#[cfg(feature = "axum")]
mod route_tap;
mod service;
mod sync;
#[cfg(any(feature = "logs", feature = "otel-0_33"))]
mod text;
mod trace;

#[cfg(feature = "axum")]
pub use self::route_tap::{RouteTap, RouteTapLayer};
pub use self::{
    access::Access,
    build_info::BuildInfo,
    fields::{Field, Signal},
    guard::RequestGuard,
    handle::TelemetryHandle,
    in_span::InSpan,
    layer::TelemetryLayer,
    metrics::{BOUNDS, ErrorType, Exposition, Format, Scheme},
    process::Process,
    resource::Resource,
    service::{ResponseFuture, SpannedBody, Telemetry},
    trace::{Inbound, SpanId, Trace, TraceContext, TraceId},
};
