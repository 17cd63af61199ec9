//! The contract that every layer keeps.

use macadam_request_id::RequestIdLayer;

#[tokio::test(start_paused = true)]
async fn the_layer_keeps_the_contract() {
    macadam_test::contract::check(RequestIdLayer::internal()).await;
    macadam_test::contract::check(RequestIdLayer::edge()).await;
}
