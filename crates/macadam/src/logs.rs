//! The log: set up once, unless the service has set up its own.

use std::{
    io::{self, IsTerminal},
    sync::{Arc, OnceLock},
    time::Duration,
};

use macadam_core::Gauges;
use macadam_telemetry::{
    Resource,
    logs::{JsonLayer, LogWriter, PrettyEvents, PrettyFields, Repeats, Unawaited},
};
use tracing::{Dispatch, dispatcher, subscriber::NoSubscriber};
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    error::Error,
    export::Export,
    settings::{Logs, Settings},
};

/// The process' log, where a road has set it up.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    writer: LogWriter,
    repeats: Repeats,
}

/// Sets up the process' log, if it has none. Until what this returns is dropped nobody waits for it, and then it is flushed.
pub(crate) fn init(
    settings: &Settings,
    service: &Resource,
    export: Option<&dyn Export>,
) -> Result<Option<Unawaited>, Error> {
    let filter = filter(settings)?;
    // A subscriber that is there already is the service's own, or another road's, and stays.
    if dispatcher::get_default(Dispatch::is::<NoSubscriber>) {
        let (layer, log) = layer(settings, service)?.unzip();
        let registry = tracing_subscriber::registry();
        let is_set = match (layer, export) {
            (None, None) => false,
            (Some(layer), None) => registry.with(layer).with(filter).try_init().is_ok(),
            // The filter is the log's: in the way of spans it would leave out what is sampled.
            (layer, Some(export)) => {
                let layer = layer.map(|layer| layer.with_filter(filter.clone()).boxed());
                let layers: Vec<_> = layer.into_iter().chain(export.layers(filter)).collect();
                registry.with(layers).try_init().is_ok()
            }
        };
        if let Some(log) = log.filter(|_| is_set) {
            let _ = LOG.set(log);
        }
    }
    Ok(LOG.get().map(|log| log.writer.unawaited()))
}

fn filter(settings: &Settings) -> Result<EnvFilter, Error> {
    let (source, directives) = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => ("RUST_LOG", directives),
        _ => ("telemetry.filter", settings.telemetry.filter.clone()),
    };
    // A warning without the ids of its request is worth little, so its span is there at every level.
    let said = directives.contains(REQUEST);
    let complete = if said { directives.clone() } else { format!("{directives},{REQUEST}=info") };
    EnvFilter::try_new(&complete).map_err(|error| Error::LogFilter {
        source_name: source,
        directives,
        message: error.to_string(),
    })
}

/// What writes the log, in the form that the settings say.
fn layer(settings: &Settings, service: &Resource) -> Result<Option<(Boxed, Log)>, Error> {
    if settings.telemetry.logs == Logs::Off {
        return Ok(None);
    }
    let writer = LogWriter::spawn(io::stdout()).map_err(Error::Log)?;
    let repeats = Repeats::new(settings.telemetry.repeats);
    let log = Log { writer: writer.clone(), repeats: repeats.clone() };
    let layer: Boxed = if settings.telemetry.logs == Logs::Json {
        Box::new(JsonLayer::new(writer, service, repeats))
    } else {
        let pretty = fmt::layer().with_ansi(io::stdout().is_terminal());
        let pretty = pretty.event_format(PrettyEvents::new(repeats)).fmt_fields(PrettyFields::new());
        Box::new(pretty.with_writer(writer))
    };
    Ok(Some((layer, log)))
}

/// One of the subscriber's layers, whichever it is.
pub(crate) type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// Waits for what has been logged, for less than a process that is made to exit has.
pub(crate) fn flush() {
    if let Some(log) = LOG.get() {
        log.writer.flush(LAST_WORDS);
    }
}

/// What the log says of itself.
pub(crate) fn gauges() -> impl Iterator<Item = Arc<dyn Gauges>> {
    LOG.get().into_iter().flat_map(|log| {
        let gauges: [Arc<dyn Gauges>; 2] = [Arc::new(log.writer.clone()), Arc::new(log.repeats.clone())];
        gauges
    })
}

/// The target of a request's span.
const REQUEST: &str = "macadam::request";
const LAST_WORDS: Duration = Duration::from_millis(40);
