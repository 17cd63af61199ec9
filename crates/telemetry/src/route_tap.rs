//! The one layer inside an axum Router: it tells those outside which route was matched.

use std::{
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use axum::extract::MatchedPath;
use http::Request;
use macadam_core::{RequestContext, Route};
use tower_layer::Layer;
use tower_service::Service;

/// Says in the request's context which route of an axum `Router` was matched, for every layer around it: `http.route`.
///
/// axum leaves the matched path in the request that it passes on inside, where nothing outside can read it, and has no
/// list of its routes. `Router::layer` makes one tap an endpoint, so the template is interned once an endpoint, and no
/// request hashes a path.
///
/// ```
/// use axum::{Router, routing::get};
/// use macadam_telemetry::{RouteTapLayer, TelemetryLayer};
///
/// let app: Router = Router::new()
///     .route("/orders/{id}", get(async || "one"))
///     .layer(RouteTapLayer) // first, and so inside
///     .layer(TelemetryLayer::new());
/// ```
///
/// # Ordering
///
/// Inside every layer that wants to know the route. Of a request without a context it says nothing.
#[derive(Clone, Copy, Debug)]
pub struct RouteTapLayer;

/// What a [`RouteTapLayer`] makes of an endpoint.
#[derive(Clone, Debug)]
pub struct RouteTap<S> {
    inner: S,
    /// The endpoint's route. A fallback has none, and is asked each time.
    route: Arc<OnceLock<Route>>,
}

impl<S> Layer<S> for RouteTapLayer {
    type Service = RouteTap<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RouteTap { inner, route: Arc::default() }
    }
}

impl<S, B> Service<Request<B>> for RouteTap<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let (Some(context), Some(path)) =
            (RequestContext::get(&request), request.extensions().get::<MatchedPath>())
        {
            context.set_route(*self.route.get_or_init(|| Route::intern(path.as_str())));
        }
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use macadam_test::contract;

    use super::RouteTapLayer;

    #[tokio::test(start_paused = true)]
    async fn it_keeps_the_contract_of_a_layer() {
        contract::check(RouteTapLayer).await;
    }
}
