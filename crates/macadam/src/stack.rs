//! THE order. It stands here and nowhere else; a test asserts it from the outside.

use axum::Router;
use macadam_graceful_shutdown::{DrainLayer, DrainService};
use macadam_health::{GrpcHealthLayer, GrpcProbed, HealthLayer, Probed};
use macadam_load_shed::{LoadShed, LoadShedLayer};
use macadam_request_id::{RequestIdLayer, RequestIdService};
use macadam_telemetry::{RouteTapLayer, Telemetry, TelemetryLayer};
use macadam_timeouts::{TimeoutLayer, TimeoutService};
use tower_layer::Layer;

use crate::{
    body_limit::{EnforceBodyLimit, EnforceBodyLimitLayer},
    catch_panic::{CatchPanic, CatchPanicLayer},
};

/// The layers of the road, outermost first.
#[derive(Clone, Debug)]
pub(crate) struct Layers {
    /// A probe is never shed, timed out, drained or logged.
    pub(crate) health: HealthLayer,
    /// Nor is one over gRPC.
    pub(crate) grpc_health: GrpcHealthLayer,
    /// Everything below, and every rejection, bears the id.
    pub(crate) request_id: RequestIdLayer,
    /// Sees every outcome, from arrival to last byte.
    pub(crate) telemetry: TelemetryLayer,
    /// Puts the request into the in-flight table.
    pub(crate) drain: DrainLayer,
    /// Below all that counts a panic, above all that holds a permit; its 500 needs the request's id and form.
    pub(crate) catch_panic: CatchPanicLayer,
    /// The deadline exists before anything can queue.
    pub(crate) timeouts: TimeoutLayer,
    /// What cannot make its deadline is refused before work is spent on it.
    pub(crate) load_shed: LoadShedLayer,
    /// Before a handler reads.
    pub(crate) body_limit: EnforceBodyLimitLayer,
}

/// The Router, inside the road.
pub(crate) type Stack = Probed<GrpcProbed<Below>>;
type Below =
    RequestIdService<Telemetry<DrainService<CatchPanic<TimeoutService<LoadShed<EnforceBodyLimit<Router>>>>>>>;

impl Layers {
    /// Puts the road around `app`, and the route tap inside it.
    pub(crate) fn wrap(&self, app: Router) -> Stack {
        // Without a state of its own a Router builds its handlers' services anew for every request; once is enough.
        let app: Router = app.layer(RouteTapLayer).with_state(());
        let app = self.body_limit.layer(app);
        let app = self.load_shed.layer(app);
        let app = self.timeouts.layer(app);
        let app = self.catch_panic.layer(app);
        let app = self.drain.layer(app);
        let app = self.telemetry.layer(app);
        let app = self.request_id.layer(app);
        let app = self.grpc_health.layer(app);
        self.health.layer(app)
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use bytes::Bytes;
    use http::{Request, Response};
    use http_body_util::Full;
    use macadam_test::allocations_of_requests;
    use tower_service::Service;

    use super::*;
    use crate::{Road, Settings};

    const REQUESTS: u64 = 1_000;

    /// A GET with the headers that clients send.
    fn request<B>(body: B) -> Request<B> {
        let request = Request::get("/orders/1").header("host", "localhost").header("user-agent", "test");
        request.header("accept", "*/*").body(body).unwrap()
    }

    /// Allocations a request without a body.
    fn counted<S, B>(service: S) -> u64
    where
        S: Service<Request<Body>, Response = Response<B>>,
        B: http_body::Body,
    {
        counted_with(Body::empty, service)
    }

    /// Allocations a request with such a body.
    fn counted_with<S, ReqB, B>(body: fn() -> ReqB, service: S) -> u64
    where
        S: Service<Request<ReqB>, Response = Response<B>>,
        B: http_body::Body,
    {
        let count = allocations_of_requests(service, REQUESTS, || request(body()));
        assert_eq!(count % REQUESTS, 0, "not the same for every request");
        count / REQUESTS
    }

    #[test]
    fn the_road_adds_six_allocations_a_request_and_these_are_they() {
        let layers = Road::builder("test").settings(Settings::default()).build().unwrap().layers;
        let app = Router::new().route("/orders/{id}", get(async || "hello"));
        let bare = counted(app.clone().with_state(()));

        let tapped = app.clone().layer(RouteTapLayer).with_state(());
        let limited = layers.body_limit.layer(tapped.clone());
        let gated = layers.load_shed.layer(limited.clone());
        let timed = layers.timeouts.layer(gated.clone());
        let caught = layers.catch_panic.layer(timed.clone());
        let drained = layers.drain.layer(caught.clone());
        let told = layers.telemetry.layer(drained.clone());
        let named = layers.request_id.layer(told.clone());
        let whole = layers.wrap(app);
        // From the inside out, so the first layer that needs a context is charged with it; on the road it is serve.
        let counts = [
            ("bare axum", bare),
            ("the route tap: axum boxes a layered endpoint, and its future", counted(tapped)),
            ("the body limit: the context, its box, the extensions' table for it", counted(limited)),
            ("load-shed", counted(gated)),
            ("timeouts", counted(timed)),
            ("catch-panic", counted(caught)),
            ("drain", counted(drained)),
            ("telemetry, no span recorded", counted(told)),
            ("request-id: the text in the response's header", counted(named)),
            ("health", counted(whole)),
        ];
        let added = counts.windows(2).map(|pair| (pair[1].0, pair[1].1 - pair[0].1));
        assert_eq!(
            added.clone().map(|(_, added)| added).collect::<Vec<_>>(),
            [2, 3, 0, 0, 0, 0, 0, 1, 0],
            "{added:?}"
        );
    }

    #[test]
    fn a_requests_body_is_boxed_once_as_bare_axum_boxes_it_and_not_if_it_is_empty() {
        let layers = Road::builder("test").settings(Settings::default()).build().unwrap().layers;
        let app = Router::new().route("/orders/{id}", get(async || "hello"));
        let (bare, whole) = (app.clone().with_state(()), layers.wrap(app));
        // A type that is not axum's own, as a server's body is.
        let (empty, full) = (Full::default, || Full::new(Bytes::from_static(b"body")));

        let nothing = counted(bare.clone());
        assert_eq!(counted_with(full, bare.clone()) - nothing, 1, "axum boxes it");
        assert_eq!(counted_with(full, whole.clone()) - counted_with(full, bare.clone()), 6);
        assert_eq!(counted_with(empty, bare.clone()) - nothing, 1, "axum boxes it, though it has ended");
        assert_eq!(counted_with(empty, whole) - nothing, 6);
    }
}
