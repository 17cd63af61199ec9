//! The spans and events that a piece of code records.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError},
};

use tracing::{
    Dispatch, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::DefaultGuard,
};
use tracing_subscriber::{
    filter::LevelFilter,
    layer::{Context, Layer, SubscriberExt},
    registry::{LookupSpan, Registry},
};

/// Records the spans and events of this thread from now on, until the returned value is dropped.
///
/// Another thread's are not seen: drive futures on a current-thread runtime.
pub fn capture() -> Captured {
    // tracing asks for a callsite's interest once and remembers the answer. While there is one subscriber it asks the
    // calling thread's, which has none in a test that captures nothing, and nobody hears of that callsite again. With a
    // second one it asks both; that this one wants nothing makes it ask again each time.
    static SECOND: LazyLock<Dispatch> =
        LazyLock::new(|| Dispatch::new(Registry::default().with(LevelFilter::OFF)));
    LazyLock::force(&SECOND);

    let record = Arc::new(Mutex::new(Recorded::default()));
    let subscriber = Registry::default().with(Recorder { record: Arc::clone(&record) });
    Captured { record, _default: tracing::subscriber::set_default(subscriber) }
}

/// What has been recorded since [`capture`].
pub struct Captured {
    record: Arc<Mutex<Recorded>>,
    _default: DefaultGuard,
}

/// A span, in the state in which it was left so far.
#[derive(Clone, Debug)]
pub struct SpanRecord {
    /// Its name.
    pub name: &'static str,
    /// Its target.
    pub target: String,
    /// Its level.
    pub level: Level,
    /// Its fields, those that were recorded later too. The last value of a field stands.
    pub fields: Fields,
    /// The names of the spans around it, the outermost first.
    pub parents: Vec<&'static str>,
    /// Whether it is closed.
    pub is_closed: bool,
}

/// An event.
#[derive(Clone, Debug)]
pub struct EventRecord {
    /// Its target.
    pub target: String,
    /// Its level.
    pub level: Level,
    /// Its message, empty if it has none.
    pub message: String,
    /// Its other fields.
    pub fields: Fields,
    /// The names of the spans around it, the outermost first.
    pub spans: Vec<&'static str>,
}

/// Fields by name, their values as they would be printed: a string without quotes.
pub type Fields = BTreeMap<&'static str, String>;

#[derive(Default)]
struct Recorded {
    spans: Vec<SpanRecord>,
    events: Vec<EventRecord>,
}

struct Recorder {
    record: Arc<Mutex<Recorded>>,
}

/// A span's place in [`Recorded::spans`], kept in the registry.
struct Place(usize);

impl Captured {
    /// All spans, in the order in which they were opened.
    pub fn spans(&self) -> Vec<SpanRecord> {
        lock(&self.record).spans.clone()
    }

    /// All events, in order.
    pub fn events(&self) -> Vec<EventRecord> {
        lock(&self.record).events.clone()
    }

    /// The only span of this name.
    ///
    /// # Panics
    ///
    /// If there is none, or another.
    pub fn span(&self, name: &str) -> SpanRecord {
        let spans = self.spans();
        let mut named = spans.iter().filter(|span| span.name == name);
        match (named.next(), named.next()) {
            (Some(span), None) => span.clone(),
            (None, _) => panic!("no span is named {name}: {spans:#?}"),
            (Some(_), Some(_)) => panic!("two spans are named {name}: {spans:#?}"),
        }
    }
}

impl<S> Layer<S> for Recorder
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::new();
        attributes.record(&mut Collect(&mut fields));
        let metadata = span.metadata();
        let parents =
            span.parent().map(|parent| parent.scope().from_root().map(|span| span.name()).collect());
        let mut record = lock(&self.record);
        span.extensions_mut().insert(Place(record.spans.len()));
        record.spans.push(SpanRecord {
            name: metadata.name(),
            target: metadata.target().to_owned(),
            level: *metadata.level(),
            fields,
            parents: parents.unwrap_or_default(),
            is_closed: false,
        });
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        self.change(id, &context, |span| values.record(&mut Collect(&mut span.fields)));
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::new();
        event.record(&mut Collect(&mut fields));
        let scope = context.event_scope(event);
        lock(&self.record).events.push(EventRecord {
            target: event.metadata().target().to_owned(),
            level: *event.metadata().level(),
            message: fields.remove("message").unwrap_or_default(),
            fields,
            spans: scope.map(|scope| scope.from_root().map(|span| span.name()).collect()).unwrap_or_default(),
        });
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        self.change(&id, &context, |span| span.is_closed = true);
    }
}

impl Recorder {
    fn change<S>(&self, id: &Id, context: &Context<'_, S>, change: impl FnOnce(&mut SpanRecord))
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let place = context.span(id).and_then(|span| span.extensions().get().map(|&Place(place)| place));
        if let Some(place) = place {
            change(&mut lock(&self.record).spans[place]);
        }
    }
}

struct Collect<'a>(&'a mut Fields);

impl Visit for Collect<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.0.insert(field.name(), value.to_string());
    }
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = lock(&self.record);
        f.debug_struct("Captured")
            .field("spans", &record.spans)
            .field("events", &record.events)
            .finish_non_exhaustive()
    }
}

fn lock(record: &Mutex<Recorded>) -> MutexGuard<'_, Recorded> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
