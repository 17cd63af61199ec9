//! What every layer has to keep.

use std::time::Duration;

use macadam_test::contract;
use macadam_timeouts::{CurrentLayer, Inherit, RouteTimeoutLayer, TimeoutLayer};

const LIMIT: Duration = Duration::from_secs(3);

#[tokio::test(start_paused = true)]
async fn the_layer_keeps_the_contract() {
    contract::check(TimeoutLayer::new(LIMIT)).await;
    contract::check(TimeoutLayer::new(LIMIT).expose()).await;
    contract::check(TimeoutLayer::new(LIMIT).pair().0).await;
    contract::check(TimeoutLayer::new(LIMIT).inherit(Inherit::trust(2 * LIMIT))).await;
    contract::check(CurrentLayer).await;
    contract::check(TimeoutLayer::new(LIMIT).response_body_idle(LIMIT).stream_idle(LIMIT)).await;
    contract::check(TimeoutLayer::new(LIMIT).dry_run().response_body_idle(LIMIT)).await;
    contract::check(TimeoutLayer::new(LIMIT).on_timeout(|_| ())).await;
}

#[tokio::test(start_paused = true)]
async fn a_routes_layer_keeps_the_contract() {
    contract::check(RouteTimeoutLayer::new(LIMIT)).await;
    contract::check(RouteTimeoutLayer::disabled()).await;
}

#[tokio::test(start_paused = true)]
async fn layers_around_each_other_keep_the_contract() {
    for outer in [TimeoutLayer::new(LIMIT), TimeoutLayer::new(LIMIT).expose()] {
        let inner = tower::ServiceBuilder::new()
            .layer(outer)
            .layer(TimeoutLayer::new(LIMIT / 2))
            .layer(RouteTimeoutLayer::new(2 * LIMIT));
        contract::check(inner).await;
    }
}
