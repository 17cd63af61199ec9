//! What every layer of macadam has to keep.

use macadam_core::{InFlight, PhaseOwner};
use macadam_graceful_shutdown::DrainLayer;

#[tokio::test(start_paused = true)]
async fn the_layer_keeps_the_contract_and_its_table_is_right_at_every_step() {
    let in_flight = InFlight::new();
    let layer = DrainLayer::new(in_flight.clone(), PhaseOwner::new().watch());
    macadam_test::contract::check_with(layer, || in_flight.len()).await;
}
