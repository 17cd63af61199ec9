//! Log records, from where they are written to the queue.

use std::{cell::Cell, error::Error, fmt, sync::Arc, time::SystemTime};

use opentelemetry::{Context as Otel, trace::TraceContextExt};
use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, InstrumentationScope, any_value::Value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber},
    resource::v1::Resource as Message,
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

use super::{attribute, nanos, queue::Queue};
use crate::text::{CUT, Chain, REDACTED, formatted, is_secret, redacted};

/// Puts what is logged into the queue of the thread that exports it. It never waits, and takes no lock of that thread's.
#[derive(Clone, Debug)]
pub struct OtlpLogs {
    queue: Option<Arc<Queue<Record>>>,
}

/// What was logged, as cheap as may be: the thread that sends makes a message of it.
#[derive(Debug)]
pub(crate) struct Record {
    at: SystemTime,
    metadata: &'static Metadata<'static>,
    fields: Fields,
    ids: Ids,
}

#[derive(Debug, Default)]
struct Fields {
    body: Option<Value>,
    others: Vec<(&'static str, Value)>,
}

/// Of the trace and the span in which something was logged; 0 for none.
#[derive(Clone, Copy, Debug, Default)]
struct Ids {
    trace: u128,
    span: u64,
    flags: u8,
}

thread_local! {
    /// Whether this is the thread that exports: of what it does itself it sends nothing, or it would never be done.
    static EXPORTS: Cell<bool> = const { Cell::new(false) };
}

/// What this thread logs from now on is not exported.
pub(crate) fn on_this_thread_export_nothing() {
    EXPORTS.set(true);
}

impl OtlpLogs {
    pub(crate) fn new(queue: Option<Arc<Queue<Record>>>) -> Self {
        Self { queue }
    }
}

impl<S> Layer<S> for OtlpLogs
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        // A request's span says its ids itself, whether or not it is sampled.
        if self.queue.is_some() && attributes.metadata().target() == "macadam::request" {
            let mut ids = Ids::default();
            attributes.record(&mut ids);
            if let Some(span) = context.span(id) {
                span.extensions_mut().insert(ids);
            }
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(queue) = self.queue.as_ref().filter(|_| !EXPORTS.get()) else { return };
        queue.push_with(|| {
            let mut fields = Fields::default();
            event.record(&mut fields);
            let ids = Ids::current().or_else(|| {
                let mut scope = context.event_scope(event)?;
                scope.find_map(|span| span.extensions().get::<Ids>().copied())
            });
            Record { at: SystemTime::now(), metadata: event.metadata(), fields, ids: ids.unwrap_or_default() }
        });
    }
}

impl Ids {
    /// Of the OpenTelemetry span that is entered here.
    fn current() -> Option<Self> {
        Otel::map_current(|otel| {
            let span = otel.span();
            let context = span.span_context();
            context.is_valid().then(|| Self {
                trace: u128::from_be_bytes(context.trace_id().to_bytes()),
                span: u64::from_be_bytes(context.span_id().to_bytes()),
                flags: context.trace_flags().to_u8(),
            })
        })
    }
}

impl Visit for Ids {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "trace_id" => self.trace = u128::from_str_radix(&format!("{value:?}"), 16).unwrap_or_default(),
            "span_id" => self.span = u64::from_str_radix(&format!("{value:?}"), 16).unwrap_or_default(),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

impl Fields {
    fn add(&mut self, field: &Field, value: Value) {
        match field.name() {
            "message" => self.body = Some(value),
            name => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = formatted(format_args!("{value:?}"), |text, is_cut| {
            [text, if is_cut { CUT } else { "" }].concat()
        });
        self.add(field, Value::StringValue(text));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.record_debug(field, &format_args!("{}", Chain(value)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Value::BoolValue(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Value::IntValue(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        // The protocol has no larger ones.
        let value =
            i64::try_from(value).map_or_else(|_| Value::StringValue(value.to_string()), Value::IntValue);
        self.add(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Value::DoubleValue(value));
    }
}

impl From<Record> for LogRecord {
    fn from(record: Record) -> Self {
        let Record { at, metadata, fields, ids } = record;
        let severity = match *metadata.level() {
            Level::TRACE => SeverityNumber::Trace,
            Level::DEBUG => SeverityNumber::Debug,
            Level::INFO => SeverityNumber::Info,
            Level::WARN => SeverityNumber::Warn,
            Level::ERROR => SeverityNumber::Error,
        };
        Self {
            time_unix_nano: nanos(at),
            observed_time_unix_nano: nanos(at),
            severity_number: severity.into(),
            severity_text: metadata.level().as_str().to_owned(),
            body: fields.body.map(|body| AnyValue { value: Some(safe("", body)) }),
            attributes: fields
                .others
                .into_iter()
                .map(|(name, value)| attribute::of(name, safe(name, value)))
                .collect(),
            flags: ids.flags.into(),
            trace_id: if ids.trace == 0 { Vec::new() } else { ids.trace.to_be_bytes().to_vec() },
            span_id: if ids.span == 0 { Vec::new() } else { ids.span.to_be_bytes().to_vec() },
            ..Self::default()
        }
    }
}

/// Without the secrets in it, which are looked for here and not where somebody logs.
fn safe(name: &str, value: Value) -> Value {
    match value {
        _ if is_secret(name) => Value::StringValue(REDACTED.to_owned()),
        Value::StringValue(text) => Value::StringValue(redacted(&text)),
        value => value,
    }
}

/// A scope for each target, which is what other languages call a logger.
pub(crate) fn messages(records: Vec<Record>, resource: Message) -> ResourceLogs {
    let mut scopes: Vec<ScopeLogs> = Vec::new();
    for record in records {
        let target = record.metadata.target();
        let is_same = |scope: &&mut ScopeLogs| scope.scope.as_ref().is_some_and(|scope| scope.name == target);
        match scopes.iter_mut().find(is_same) {
            Some(scope) => scope.log_records.push(record.into()),
            None => scopes.push(ScopeLogs {
                scope: Some(InstrumentationScope { name: target.to_owned(), ..Default::default() }),
                log_records: vec![record.into()],
                schema_url: String::new(),
            }),
        }
    }
    ResourceLogs { resource: Some(resource), scope_logs: scopes, schema_url: String::new() }
}
