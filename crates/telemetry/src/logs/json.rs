//! Events as JSON, a line each.

use std::{
    cell::Cell,
    fmt::{self, Write as _},
    io::Write as _,
    time::SystemTime,
};

use tracing::{
    Event, Level, Subscriber,
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    fmt::MakeWriter,
    layer::Context,
    registry::{LookupSpan, Scope},
};

use super::{
    object::Object,
    repeats::Repeats,
    value::{Each, Value},
};
use crate::resource::Resource;

/// Writes each event as one line of JSON, by one call of the writer. See the [module](super) for what is in it.
pub struct JsonLayer<W> {
    writer: W,
    repeats: Repeats,
    service: Object,
}

/// What a span's fields are, kept in its extensions.
struct Fields(Object);

impl<W> JsonLayer<W> {
    /// Writes to `writer` what the service says of itself.
    pub fn new(writer: W, service: &Resource, repeats: Repeats) -> Self {
        let mut members = Object::default();
        for name in SERVICE {
            if let Some(value) = service.get(name) {
                members.add(name, Value::Text(value));
            }
        }
        Self { writer, repeats, service: members }
    }
}

impl<S, W> Layer<S> for JsonLayer<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Object::default();
        attributes.record(&mut Each(|name, value: Value<'_>| set(&mut fields, name, value)));
        span.extensions_mut().insert(Fields(fields));
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(Fields(fields)) = span.extensions_mut().get_mut() {
            values.record(&mut Each(|name, value: Value<'_>| set(fields, name, value)));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(repeated) = self.repeats.pass(event.metadata()) else { return };
        // Taken out and put back: a `Debug` that logs gets a line of its own.
        let mut line = LINE.try_with(Cell::take).unwrap_or_default();
        self.fill(&mut line.members, event, repeated, || context.event_scope(event));
        line.finish();
        let mut writer = self.writer.make_writer_for(event.metadata());
        // Nobody is there to be told.
        let _ = writer.write_all(line.text.as_bytes());
        line.clear();
        let _ = LINE.try_with(|kept| kept.set(line));
    }
}

impl<W> JsonLayer<W> {
    /// First what is ours to say, so that no field can take its name; then what the event says; then the spans around it, the
    /// innermost first.
    fn fill<'a, S>(
        &self,
        line: &mut Object,
        event: &Event<'_>,
        repeated: u64,
        spans: impl Fn() -> Option<Scope<'a, S>>,
    ) where
        S: LookupSpan<'a> + 'a,
    {
        let metadata = event.metadata();
        let now = SystemTime::now().max(SystemTime::UNIX_EPOCH);
        line.add("timestamp", Value::Debug(&format_args!("{}", humantime::format_rfc3339_micros(now))));
        let (severity, number) = severity(*metadata.level());
        line.add("severity", Value::Text(severity));
        line.add("severity_number", Value::Unsigned(number));
        event.record(&mut Each(|name, value: Value<'_>| {
            if name == MESSAGE {
                line.add(name, value);
            }
        }));
        line.add("target", Value::Text(metadata.target()));
        let request = spans().and_then(|mut spans| spans.find(|span| span.metadata().target() == REQUEST));
        if let Some(request) = request {
            if let Some(Fields(fields)) = request.extensions().get() {
                for name in IDS {
                    if let Some(id) = fields.get(name) {
                        line.add_json(name, id);
                    }
                }
            }
        }
        line.join(&self.service);
        if repeated > 0 {
            line.add("repeated", Value::Unsigned(repeated));
        }
        event.record(&mut Each(|name, value: Value<'_>| {
            if name != MESSAGE {
                line.add(name, value);
            }
        }));
        for span in spans().into_iter().flatten() {
            if let Some(Fields(fields)) = span.extensions().get() {
                line.join(fields);
            }
        }
    }
}

/// One that is for OpenTelemetry's layer is no field.
fn set(fields: &mut Object, name: &'static str, value: Value<'_>) {
    if !name.starts_with("otel.") {
        fields.set(name, value);
    }
}

/// The short name and the number of OpenTelemetry's log data model.
fn severity(level: Level) -> (&'static str, u64) {
    match level {
        Level::ERROR => ("ERROR", 17),
        Level::WARN => ("WARN", 13),
        Level::INFO => ("INFO", 9),
        Level::DEBUG => ("DEBUG", 5),
        Level::TRACE => ("TRACE", 1),
    }
}

/// A line in the making, and the memory for it.
#[derive(Default)]
struct Line {
    members: Object,
    text: String,
}

impl Line {
    fn finish(&mut self) {
        self.text.push('{');
        self.text.push_str(self.members.text().trim_start_matches(','));
        if self.members.left_out() > 0 {
            let _ = write!(self.text, ",\"dropped_attributes_count\":{}", self.members.left_out());
        }
        self.text.push_str("}\n");
    }

    fn clear(&mut self) {
        self.members.clear();
        self.text.clear();
    }
}

impl<W> fmt::Debug for JsonLayer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JsonLayer").field("repeats", &self.repeats).finish_non_exhaustive()
    }
}

thread_local! {
    static LINE: Cell<Line> = Cell::default();
}

const MESSAGE: &str = "message";
/// The target of the request's span.
const REQUEST: &str = "macadam::request";
/// What tells one instance of a service from all others.
const SERVICE: [&str; 4] = ["service.name", "service.namespace", "service.version", "service.instance.id"];
/// What every event within a request bears.
const IDS: [&str; 3] = ["trace_id", "span_id", "request_id"];
