//! A service whose own log leaves no room for what its environment asks to export is told so when it starts.

use std::{env, process::Command};

use axum::Router;
use macadam::{Road, Settings};

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The environment and the subscriber are a process' own: this test is its child too.
#[test]
fn a_subscriber_that_keeps_spans_from_the_collector_is_an_error_at_the_start() {
    if env::var_os(ENDPOINT).is_none() {
        let child =
            Command::new(env::current_exe().unwrap()).env(ENDPOINT, "http://127.0.0.1:9").output().unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return;
    }
    tracing_subscriber::fmt().init();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async {
        let mut settings = Settings::default();
        settings.listen = "127.0.0.1:0".parse().unwrap();
        settings.admin.listen = None;
        let road = Road::builder("orders").settings(settings).build().unwrap();
        road.serve(Router::new()).await.unwrap_err().to_string()
    });
    assert!(error.contains("has no layer for OpenTelemetry 0.33"), "{error}");
    assert!(error.contains("`telemetry.otlp`"), "{error}");
}
