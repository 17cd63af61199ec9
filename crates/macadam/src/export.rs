//! What a road sends to a collector, in a build that can.

use std::{pin::Pin, sync::Arc};

use macadam_core::Gauges;
use macadam_graceful_shutdown::Hook;
use macadam_telemetry::{Resource, TelemetryHandle};
use tracing_subscriber::EnvFilter;

use crate::{error::Error, logs::Boxed, settings::Telemetry};

/// Sends what a road measures, traces and logs to somebody far away.
pub(crate) trait Export: Send + Sync {
    /// Sends what is left, when all others have had their say.
    fn hook(&self) -> Hook;

    /// What belongs into the process' subscriber beside its log, which has this filter.
    fn layers(&self, filter: EnvFilter) -> Vec<Boxed>;

    /// Installs what others find by asking for it, and checks that it all belongs together.
    fn install(&self) -> Result<(), Error>;

    /// What was lost.
    fn gauges(&self) -> Arc<dyn Gauges>;

    /// What goes where, in a sentence.
    fn says(&self) -> String;

    /// Begins to send, once there is all to read that is to be read.
    fn start(&self, requests: TelemetryHandle, gauges: &[Arc<dyn Gauges>]) -> Result<(), Error>;

    /// Sends what has been said after the last hook, where that takes hardly any time.
    fn flush_last_words(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// What the environment and the settings ask for.
pub(crate) fn of(settings: &Telemetry, service: &Resource) -> Result<Option<Box<dyn Export>>, Error> {
    match (settings.otlp, service) {
        #[cfg(feature = "otel")]
        (true, service) => crate::otlp::of(settings, service),
        _ => Ok(None),
    }
}
