//! `macadam-load-shed`, with its defaults.

use std::convert::Infallible;

use axum::body::Body;
use http::{Request, Response, request::Parts};
use macadam_core::Criticality;
use macadam_load_shed::LoadShedLayer;
use tower::{Layer, Service, ServiceExt};

use super::Guarded;
use crate::schedule::Client;

pub(super) fn guard<S>(service: S, layer: &LoadShedLayer) -> Guarded
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    Guarded::new(layer.layer(service).map_response(|response| response.map(Body::new)))
}

/// The one place that says how our layer is made.
pub(super) fn layer() -> LoadShedLayer {
    LoadShedLayer::adaptive()
}

pub(super) fn by_class() -> LoadShedLayer {
    layer().criticality(|head| match client(head) {
        Some(Client(0)) => Criticality::Critical,
        _ => Criticality::Sheddable,
    })
}

pub(super) fn by_tenant() -> LoadShedLayer {
    layer().tenant(client)
}

fn client(head: &Parts) -> Option<Client> {
    head.extensions.get().copied()
}
