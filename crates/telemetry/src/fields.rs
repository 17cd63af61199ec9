//! What is said of requests in spans and in the log, by name: docs/telemetry.md is written from it.

/// A field of a span or of a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Field {
    /// Where it stands.
    pub on: Signal,
    /// Its name.
    pub name: &'static str,
    /// A sentence, without its full stop.
    pub help: &'static str,
    /// In what it is measured, such as `seconds`, or how it is written, such as `32 hexadecimal digits`.
    pub unit: &'static str,
    /// How many values it may have: `one a request`, say.
    pub values: &'static str,
}

/// On what a [`Field`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Signal {
    /// The request's span, and so every line that is written inside it.
    Span,
    /// The line that is written when a request is over.
    Access,
    /// Every line of the log as JSON.
    Line,
    /// The span of a request that is recorded for OpenTelemetry.
    Recorded,
}

impl Signal {
    /// What it is called in docs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Span => "the request's span",
            Self::Access => "the access line",
            Self::Line => "every line of JSON",
            Self::Recorded => "the recorded span",
        }
    }
}

impl Field {
    pub(crate) const fn new(
        on: Signal,
        name: &'static str,
        unit: &'static str,
        values: &'static str,
        help: &'static str,
    ) -> Self {
        Self { on, name, help, unit, values }
    }

    /// Every field that the layer may write.
    pub const ALL: &'static [Self] = &[
        Self::new(
            Signal::Span,
            "request_id",
            "text",
            "one a request",
            "The request's id, where a layer further out has set one",
        ),
        Self::new(Signal::Span, "trace_id", "32 hexadecimal digits", "one a trace", "The request's trace"),
        Self::new(
            Signal::Span,
            "span_id",
            "16 hexadecimal digits",
            "one a request",
            "The request's span in it",
        ),
        Self::new(
            Signal::Span,
            "http.request.method",
            "text",
            "11",
            "The method, `_OTHER` for one that is in no standard",
        ),
        Self::new(
            Signal::Span,
            "http.route",
            "text",
            "one a route",
            "The matched template, where one matched: with the response's head, or else at the end",
        ),
        Self::new(
            Signal::Span,
            "http.response.status_code",
            "number",
            "one a status",
            "The answer's status, with its head; absent where there was none",
        ),
        Self::new(
            Signal::Span,
            "macadam.outcome",
            "word",
            OUTCOMES,
            "What became of the request, at its end",
        ),
        Self::new(
            Signal::Access,
            "http.response.status_code",
            "number",
            "one a status",
            "The answer's status; absent where there was none",
        ),
        Self::new(
            Signal::Access,
            "error.type",
            "word",
            "one a kind of error, or a status of 5xx",
            "Why it counts as an error; absent where it does not",
        ),
        Self::new(Signal::Access, "macadam.outcome", "word", OUTCOMES, "What became of the request"),
        Self::new(
            Signal::Access,
            "duration_seconds",
            "seconds",
            "one a request",
            "From the request's arrival to the end of the response",
        ),
    ];
}

const OUTCOMES: &str = "one an outcome";
