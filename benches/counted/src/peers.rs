//! The other layers that measure requests by OpenTelemetry's conventions, with its SDK behind them.
//!
//! Both record into the SDK as they would for a real exporter; nothing reads it meanwhile.

use opentelemetry::{global, metrics::MeterProvider};
use opentelemetry_instrumentation_tower::http::server;
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};

pub(crate) fn official() -> server::Layer {
    global::set_meter_provider(provider());
    server::LayerBuilder::builder().with_tracing(false).build().expect("the defaults fit")
}

pub(crate) fn tower_otel() -> tower_otel::metrics::HttpLayer {
    tower_otel::metrics::HttpLayer::server(&provider().meter("bench"))
}

fn provider() -> SdkMeterProvider {
    SdkMeterProvider::builder().with_reader(ManualReader::builder().build()).build()
}
