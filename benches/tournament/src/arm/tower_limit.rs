//! tower's own: a limit that is a number, and a refusal where it is reached.

use std::convert::Infallible;

use axum::body::Body;
use http::{Request, Response};
use tower::{Service, ServiceBuilder, limit::GlobalConcurrencyLimitLayer, load_shed::LoadShedLayer};

use super::{Guarded, refusing};

pub(super) fn guard<S>(service: S, limit: usize) -> Guarded
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let shedding = ServiceBuilder::new()
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(limit))
        .service(service);
    refusing(shedding)
}
