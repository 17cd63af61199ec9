//! What is measured of requests, by name.

use macadam_core::Metric;

use super::{METHODS, series};

pub(super) const DURATION: Metric = Metric::histogram(
    "http_server_request_duration_seconds",
    "Duration of HTTP server requests, from their arrival to the last byte of the response",
    LABELS,
)
.at_most(series::LIMIT);

pub(super) const FIRST_BYTE: Metric = Metric::histogram(
    "macadam_http_server_time_to_first_byte_seconds",
    "Time from the arrival of a request to the head of its response",
    &[METHOD, ROUTE, STATUS, VERSION, SCHEME, OVERFLOW],
)
.at_most(series::LIMIT);

pub(super) const STREAMS: Metric = Metric::new(
    "macadam_http_server_streams_total",
    "Event streams and upgraded connections that are over, which are not in the durations",
    LABELS,
)
.at_most(series::LIMIT);

pub(super) const ACTIVE: Metric = Metric::new(
    "http_server_active_requests",
    "HTTP server requests that have arrived and are not over",
    &[METHOD, SCHEME],
)
.at_most(METHODS.len() * 2);

pub(super) const ALL: &[Metric] = &[DURATION, FIRST_BYTE, STREAMS, ACTIVE];

const LABELS: &[&str] = &[METHOD, ROUTE, STATUS, ERROR, VERSION, SCHEME, OVERFLOW];

pub(super) const METHOD: &str = "http_request_method";
pub(super) const ROUTE: &str = "http_route";
pub(super) const STATUS: &str = "http_response_status_code";
pub(super) const ERROR: &str = "error_type";
pub(super) const VERSION: &str = "network_protocol_version";
pub(super) const SCHEME: &str = "url_scheme";
/// Stands alone: what the SDKs of OpenTelemetry say of what is beyond their limit.
pub(super) const OVERFLOW: &str = "otel_metric_overflow";
