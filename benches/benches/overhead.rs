//! What the road adds to a request, in process, beside the layers of tower and tower-http that do the same jobs.
//!
//! `cargo bench -p macadam-benches --bench overhead`. Read it as differences to `bare` and as ratios to `tower_http`, in
//! one run: the times themselves are this machine's. No subscriber is set, so no span is recorded in any of the three.

use std::{convert::Infallible, hint::black_box, time::Duration};

use axum::{
    BoxError, Router,
    body::Body,
    error_handling::HandleErrorLayer,
    http::{Request, StatusCode},
    response::Response,
    routing::get,
};
use criterion::Criterion;
use macadam::{Road, Settings};
use tower::{
    Service, ServiceBuilder, ServiceExt, limit::GlobalConcurrencyLimitLayer, load_shed::LoadShedLayer,
};
use tower_http::{
    catch_panic::CatchPanicLayer,
    limit::RequestBodyLimitLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    timeout::TimeoutLayer,
    trace::TraceLayer,
};

fn app() -> Router {
    Router::new().route("/orders/{id}", get(async || "hello"))
}

fn bare() -> Router {
    app().with_state(())
}

fn road() -> impl Service<Request<Body>, Response = Response<impl Sized>, Error = Infallible> + Clone {
    let road = Road::builder("bench").settings(Settings::default()).build().expect("the defaults fit");
    road.wrap(app())
}

/// The seven layers that do most of the road's jobs, as people stack them.
fn tower_http() -> Router {
    let name = http::HeaderName::from_static("x-request-id");
    let overloaded = HandleErrorLayer::new(async |_: BoxError| StatusCode::SERVICE_UNAVAILABLE);
    let layers = ServiceBuilder::new()
        .layer(SetRequestIdLayer::new(name.clone(), MakeRequestUuid))
        .layer(TraceLayer::new_for_http())
        .layer(PropagateRequestIdLayer::new(name))
        .layer(CatchPanicLayer::new())
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(3)))
        .layer(overloaded)
        .layer(LoadShedLayer::new())
        .layer(GlobalConcurrencyLimitLayer::new(1024))
        .layer(RequestBodyLimitLayer::new(1 << 20));
    app().layer(layers).with_state(())
}

/// One request, from its head to the drop of its response.
async fn once<S, B>(service: &mut S)
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let request = Request::get("/orders/1")
        .header("host", "localhost:8080")
        .header("user-agent", "bench")
        .header("accept", "*/*")
        .body(Body::empty())
        .expect("a valid request");
    let response = service.ready().await.expect("infallible").call(request).await.expect("infallible");
    assert_eq!(black_box(&response).status(), StatusCode::OK);
}

fn overhead(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut group = criterion.benchmark_group("overhead");
    let mut service = bare();
    group.bench_function("bare", |b| b.iter(|| runtime.block_on(once(&mut service))));
    let mut service = road();
    group.bench_function("road", |b| b.iter(|| runtime.block_on(once(&mut service))));
    let mut service = tower_http();
    group.bench_function("tower_http", |b| b.iter(|| runtime.block_on(once(&mut service))));
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    overhead(&mut criterion);
    criterion.final_summary();
}
