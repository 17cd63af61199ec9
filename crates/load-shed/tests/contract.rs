//! What every layer keeps.

use macadam_load_shed::{LoadShedLayer, Mode};
use macadam_test::contract::check_with;

#[tokio::test(start_paused = true)]
async fn the_contract_is_kept_with_room_to_spare() {
    let (layer, gate) = LoadShedLayer::new(64).unwrap().pair();
    check_with(layer, || gate.in_flight() as usize).await;
}

#[tokio::test(start_paused = true)]
async fn the_contract_is_kept_through_a_gate_of_one() {
    let (layer, gate) = LoadShedLayer::new(1).unwrap().pair();
    check_with(layer, || gate.in_flight() as usize).await;
}

#[tokio::test(start_paused = true)]
async fn the_contract_is_kept_in_a_dry_run_off_and_exempt() {
    let layer = LoadShedLayer::new(1).unwrap().queue(0);
    for layer in [layer.clone().mode(Mode::DryRun), layer.clone().mode(Mode::Off), layer.exempt(|_| true)] {
        let (layer, gate) = layer.pair();
        check_with(layer, || gate.in_flight() as usize).await;
    }
}
