//! The contract that every layer keeps.

use macadam_telemetry::TelemetryLayer;

#[tokio::test(start_paused = true)]
async fn the_layer_keeps_the_contract_and_its_count() {
    let (layer, handle) = TelemetryLayer::new().pair();
    macadam_test::contract::check_with(layer, move || handle.active()).await;
}
