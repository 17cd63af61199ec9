//! Every metric of a road, by name: what the admin listener's `/metrics` says, and what is made of it.

use macadam_core::Metric;
use macadam_graceful_shutdown::ShutdownHandle;
use macadam_health::Health;
use macadam_load_shed::LoadShedHandle;
use macadam_request_id::RequestIdHandle;
use macadam_telemetry::{
    BuildInfo, Exposition, Process, TelemetryHandle,
    logs::{LogWriter, Repeats},
};
use macadam_timeouts::TimeoutHandle;

use crate::Road;

impl Road {
    /// Every metric that a road may expose, whatever its settings, in the order of their names. docs/telemetry.md, and the
    /// alerts and the dashboard in slo/, are made of this list; a test holds a road that runs to it.
    pub fn metrics() -> Vec<Metric> {
        let mut all = [
            Exposition::REQUESTS,
            TelemetryHandle::METRICS,
            Process::METRICS,
            BuildInfo::METRICS,
            LogWriter::METRICS,
            Repeats::METRICS,
            #[cfg(feature = "otel")]
            macadam_telemetry::otlp::OtlpHandle::METRICS,
            Health::METRICS,
            RequestIdHandle::METRICS,
            ShutdownHandle::METRICS,
            TimeoutHandle::METRICS,
            LoadShedHandle::METRICS,
            macadam_serve::Handle::METRICS,
            #[cfg(feature = "tls")]
            macadam_serve::TlsHandle::METRICS,
        ]
        .concat();
        all.sort_unstable_by_key(|metric| metric.name);
        all
    }
}
