//! little-loadshedder: a queue sized by Little's law for a mean latency, and a concurrency by hill climbing.

use std::{convert::Infallible, time::Duration};

use axum::body::Body;
use http::{Request, Response};
use little_loadshedder::{LoadShedLayer, LoadShedResponse};
use tower::{Layer, Service, ServiceExt};

use super::{Guarded, refused};

pub(super) fn guard<S>(service: S) -> Guarded
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let shedding = LoadShedLayer::new(EWMA, TARGET).layer(service);
    Guarded::new(shedding.map_response(|answer| match answer {
        LoadShedResponse::Inner(response) => response,
        LoadShedResponse::Overload => refused(),
    }))
}

/// That of its example.
const EWMA: f64 = 0.01;
/// The mean latency that it is to hold. Its example says 2 s, where nobody gives up at 500 ms; a fifth of a client's
/// patience leaves room for the tail.
const TARGET: Duration = Duration::from_millis(100);
