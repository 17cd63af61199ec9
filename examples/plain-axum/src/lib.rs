//! Six crates of the road around a stock axum Router: all of them in their order, or each alone.

use std::{error::Error, time::Duration};

use axum::{Json, Router, routing::get};
use macadam_graceful_shutdown::{DrainLayer, Shutdown};
use macadam_health::{Health, HealthLayer};
use macadam_load_shed::{ConfigError, LoadShedLayer};
use macadam_request_id::{RequestId, RequestIdLayer};
use macadam_telemetry::{RouteTapLayer, TelemetryHandle, TelemetryLayer};
use macadam_timeouts::{Deadline, TimeoutLayer};
use tower::{
    ServiceBuilder,
    layer::util::{Identity, Stack},
};

/// The app, which knows nothing of the road but two extractors.
pub fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/slow", get(async || tokio::time::sleep(Duration::from_secs(60)).await))
        .route(
            "/context",
            get(async |id: Option<RequestId>, deadline: Option<Deadline>| {
                let id = id.map(|id| id.to_string());
                let remaining = deadline.and_then(|deadline| deadline.remaining()).map(|left| left.as_secs());
                Json((id, remaining))
            }),
        )
}

/// Outermost first: in `ServiceBuilder` what comes first is outside.
type Layers = ServiceBuilder<
    Stack<
        LoadShedLayer,
        Stack<
            TimeoutLayer,
            Stack<DrainLayer, Stack<TelemetryLayer, Stack<RequestIdLayer, Stack<HealthLayer, Identity>>>>,
        >,
    >,
>;

/// The six layers in the road's order, for reasons that `docs/ordering.md` gives.
///
/// # Errors
///
/// Where a limit is none.
pub fn layers(health: &Health, shutdown: &Shutdown) -> Result<Layers, ConfigError> {
    Ok(ServiceBuilder::new()
        .layer(health.layer())
        .layer(RequestIdLayer::internal())
        .layer(TelemetryLayer::new())
        .layer(shutdown.layer())
        .layer(TimeoutLayer::new(Duration::from_secs(3)).expose())
        .layer(LoadShedLayer::new(1024)?))
}

/// The app in all six.
///
/// # Errors
///
/// Where a limit is none.
pub fn stacked(app: Router, health: &Health, shutdown: &Shutdown) -> Result<Router, Box<dyn Error>> {
    // The tap is inside of all, and tells them the route. Without a state of its own a Router would build the layers anew for
    // every request.
    Ok(app.layer(RouteTapLayer).layer(layers(health, shutdown)?).with_state(()))
}

/// One crate alone.
pub mod alone {
    use super::*;

    /// Every response bears an id.
    pub fn request_id(app: Router) -> Router {
        app.layer(RequestIdLayer::edge())
    }

    /// Every request has 3 s.
    pub fn timeouts(app: Router) -> Router {
        app.layer(TimeoutLayer::new(Duration::from_secs(3)))
    }

    /// Every request has a span, and is counted by its route; [`Exposition`](macadam_telemetry::Exposition) writes what the
    /// handle has for Prometheus.
    pub fn telemetry(app: Router) -> (Router, TelemetryHandle) {
        let (layer, handle) = TelemetryLayer::new().pair();
        (app.layer(RouteTapLayer).layer(layer), handle)
    }

    /// At most 8 requests are in flight; 16 wait.
    ///
    /// # Errors
    ///
    /// Where a limit is none.
    pub fn load_shed(app: Router) -> Result<Router, ConfigError> {
        Ok(app.layer(LoadShedLayer::new(8)?.queue(16)))
    }

    /// The shutdown waits for every response's last byte.
    pub fn graceful_shutdown(app: Router, shutdown: &Shutdown) -> Router {
        app.layer(shutdown.layer())
    }

    /// Probes are answered before anything else sees them.
    pub fn health(app: Router, health: &Health) -> Router {
        app.layer(health.layer())
    }
}
