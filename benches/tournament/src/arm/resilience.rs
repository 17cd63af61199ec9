//! tower-resilience's adaptive limiter, inside tower's `LoadShed`: alone it queues without a bound.

use std::convert::Infallible;

use axum::body::Body;
use http::{Request, Response};
use tower::{Service, ServiceBuilder, load_shed::LoadShedLayer};
use tower_resilience_adaptive::{AdaptiveLimiterLayer, Aimd, ConcurrencyAlgorithm, Vegas};

use super::{Guarded, refusing};

/// Its defaults, which are those of its example: from 10, between 1 and 100, halved by whatever takes more than 100 ms.
pub(super) fn aimd<S>(service: S) -> Guarded
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    guard(service, Aimd::builder().build().expect("its defaults are valid"))
}

/// Its defaults, which are those of its example: from 10, a queue estimated at 3 to 6.
pub(super) fn vegas<S>(service: S) -> Guarded
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    guard(service, Vegas::builder().build().expect("its defaults are valid"))
}

fn guard<S>(service: S, algorithm: impl ConcurrencyAlgorithm + 'static) -> Guarded
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let shedding = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(AdaptiveLimiterLayer::new(algorithm))
        .service(service);
    refusing(shedding)
}
