//! What an id costs a request, beyond the context that it is left in, beside tower-http's pair of layers.
//!
//! `cargo bench -p macadam-benches --bench request_id`. `edge` and `internal` are to be read as differences to
//! `context`, which makes the context and nothing else; `tower_http` as a difference to `bare`.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    pin::pin,
    task::{Context, Waker},
};

use criterion::Criterion;
use http::{
    HeaderValue, Request, Response,
    header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HOST, USER_AGENT},
};
use macadam_core::RequestContext;
use macadam_request_id::RequestIdLayer;
use tower::{Layer, Service, ServiceBuilder, service_fn};
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};

fn service() -> impl Service<Request<()>, Response = Response<()>, Error = Infallible, Future: Send> + Clone {
    service_fn(|_| -> Ready<Result<_, Infallible>> {
        let mut response = Response::new(());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("5"));
        ready(Ok(response))
    })
}

fn request() -> Request<()> {
    let mut request = Request::new(());
    request.headers_mut().insert(HOST, HeaderValue::from_static("localhost"));
    request.headers_mut().insert(USER_AGENT, HeaderValue::from_static("bench"));
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("*/*"));
    request
}

fn request_with_context() -> Request<()> {
    let mut request = request();
    RequestContext::of(&mut request);
    request
}

fn once<S: Service<Request<()>>>(service: &mut S, request: Request<()>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    assert!(black_box(pin!(service.call(request)).poll(&mut cx)).is_ready());
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("request_id");
    let mut bare = service();
    group.bench_function("bare", |b| b.iter(|| once(&mut bare, request())));
    let pair = ServiceBuilder::new()
        .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
        .layer(PropagateRequestIdLayer::x_request_id());
    let mut pair = pair.service(service());
    group.bench_function("tower_http", |b| b.iter(|| once(&mut pair, request())));
    group.bench_function("context", |b| b.iter(|| once(&mut bare, request_with_context())));
    let mut edge = RequestIdLayer::edge().layer(service());
    group.bench_function("edge", |b| b.iter(|| once(&mut edge, request_with_context())));
    let mut internal = RequestIdLayer::internal().layer(service());
    group.bench_function("internal", |b| b.iter(|| once(&mut internal, request_with_context())));
    group.finish();
    criterion.final_summary();
}
