//! The log: set up once, unless the service has set up its own.

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    error::Error,
    settings::{Logs, Settings},
};

/// Sets up the process' log, if it has none.
pub(crate) fn init(settings: &Settings) -> Result<(), Error> {
    let (source, directives) = match std::env::var("RUST_LOG") {
        Ok(directives) if !directives.is_empty() => ("RUST_LOG", directives),
        _ => ("telemetry.filter", settings.telemetry.filter.clone()),
    };
    let filter = EnvFilter::try_new(&directives).map_err(|error| Error::LogFilter {
        source_name: source,
        directives,
        message: error.to_string(),
    })?;
    let registry = tracing_subscriber::registry().with(filter);
    // A subscriber that is there already is the service's own, and stays.
    let _ = match settings.telemetry.logs {
        Logs::Pretty => registry.with(fmt::layer().with_ansi(is_terminal())).try_init(),
        Logs::Json => registry.with(fmt::layer().json().flatten_event(true).with_span_list(false)).try_init(),
        Logs::Off => Ok(()),
    };
    Ok(())
}

fn is_terminal() -> bool {
    std::io::IsTerminal::is_terminal(&std::io::stdout())
}
