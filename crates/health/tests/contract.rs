//! What every layer of macadam has to keep.

use macadam_health::Health;

#[tokio::test(start_paused = true)]
async fn the_layer_keeps_the_contract() {
    let health = Health::builder().build().unwrap();
    macadam_test::contract::check(health.layer()).await;
}

#[cfg(feature = "grpc")]
#[tokio::test(start_paused = true)]
async fn the_layer_of_grpc_keeps_it_too() {
    let health = Health::builder().build().unwrap();
    macadam_test::contract::check(health.grpc().layer()).await;
}
