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
use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    error::Error,
    settings::{Logs, Settings},
};

/// The process' log, where a road has set it up.
static LOG: OnceLock<Log> = OnceLock::new();

struct Log {
    writer: LogWriter,
    repeats: Repeats,
}

/// Sets up the process' log, if it has none. Until what this returns is dropped nobody waits for it, and then it is flushed.
pub(crate) fn init(settings: &Settings, service: &Resource) -> Result<Option<Unawaited>, Error> {
    let (source, directives) = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => ("RUST_LOG", directives),
        _ => ("telemetry.filter", settings.telemetry.filter.clone()),
    };
    let filter = EnvFilter::try_new(&directives).map_err(|error| Error::LogFilter {
        source_name: source,
        directives,
        message: error.to_string(),
    })?;
    // A subscriber that is there already is the service's own, or another road's, and stays.
    let is_free = dispatcher::get_default(Dispatch::is::<NoSubscriber>);
    if is_free && settings.telemetry.logs != Logs::Off {
        let writer = LogWriter::spawn(io::stdout()).map_err(Error::Log)?;
        let repeats = Repeats::new(settings.telemetry.repeats);
        let log = Log { writer: writer.clone(), repeats: repeats.clone() };
        let registry = tracing_subscriber::registry().with(filter);
        let set = if settings.telemetry.logs == Logs::Json {
            registry.with(JsonLayer::new(writer, service, repeats)).try_init()
        } else {
            let pretty = fmt::layer().with_ansi(io::stdout().is_terminal());
            let pretty = pretty.event_format(PrettyEvents::new(repeats)).fmt_fields(PrettyFields::new());
            registry.with(pretty.with_writer(writer)).try_init()
        };
        if set.is_ok() {
            let _ = LOG.set(log);
        }
    }
    Ok(LOG.get().map(|log| log.writer.unawaited()))
}

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

const LAST_WORDS: Duration = Duration::from_millis(40);
