//! What the gate costs a request, beyond the service behind it, and what a refusal costs as a whole.
//!
//! `cargo bench -p macadam-benches --bench load_shed`. `fixed`, `adaptive` and `tower` are to be read as differences to
//! `bare`, and so is `two_threads`, which is the time of one of two threads at one gate; `refused`, with its response, as
//! a difference to `request`, which makes the request and drops it.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    hint::black_box,
    pin::pin,
    sync::{
        Barrier,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Waker},
    thread,
    time::Instant,
};

use criterion::Criterion;
use http::{
    HeaderValue, Request, Response,
    header::{ACCEPT, HOST, USER_AGENT},
};
use http_body_util::Empty;
use macadam_core::RequestContext;
use macadam_load_shed::LoadShedLayer;
use tokio::runtime::Builder;
use tower::{
    Layer, Service, limit::GlobalConcurrencyLimitLayer, load_shed::LoadShedLayer as TowerLayer, service_fn,
};

type Body = Empty<bytes::Bytes>;

fn service() -> impl Service<Request<()>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone
{
    service_fn(|_| -> Ready<Result<_, Infallible>> { ready(Ok(Response::new(Body::new()))) })
}

fn request() -> Request<()> {
    Request::new(())
}

fn request_with_context() -> Request<()> {
    let mut request = request();
    RequestContext::of(&mut request);
    request
}

/// As a client sends it.
fn real_request() -> Request<()> {
    let mut request = request_with_context();
    for name in [HOST, USER_AGENT, ACCEPT] {
        request.headers_mut().insert(name, HeaderValue::from_static("bench"));
    }
    request
}

fn once<S: Service<Request<()>>>(service: &mut S, request: Request<()>) {
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    assert!(black_box(pin!(service.call(request)).poll(&mut cx)).is_ready());
}

/// The time that so many requests take on this thread while another one does the same.
fn beside_another<S>(service: &S, times: u64) -> std::time::Duration
where
    S: Service<Request<()>> + Clone + Send,
{
    let (start, over) = (&Barrier::new(2), &AtomicBool::new(false));
    thread::scope(|scope| {
        let mut other = service.clone();
        scope.spawn(move || {
            start.wait();
            while !over.load(Ordering::Relaxed) {
                once(&mut other, request());
            }
        });
        let mut service = service.clone();
        start.wait();
        #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
        let began = Instant::now();
        (0..times).for_each(|_| once(&mut service, request()));
        let took = began.elapsed();
        over.store(true, Ordering::Relaxed);
        took
    })
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("load_shed");
    // The beat needs a runtime to be spawned on, and runs as soon as somebody drives it.
    let runtime =
        Builder::new_multi_thread().worker_threads(1).enable_time().build().expect("a runtime can be had");
    let _guard = runtime.enter();

    let mut bare = service();
    group.bench_function("bare", |b| b.iter(|| once(&mut bare, request())));
    let mut tower = TowerLayer::new().layer(GlobalConcurrencyLimitLayer::new(1000).layer(service()));
    group.bench_function("tower", |b| b.iter(|| once(&mut tower, request())));
    let mut fixed = LoadShedLayer::new(1000).expect("it is valid").layer(service());
    group.bench_function("fixed", |b| b.iter(|| once(&mut fixed, request())));
    let mut adaptive = LoadShedLayer::adaptive().layer(service());
    group.bench_function("adaptive", |b| b.iter(|| once(&mut adaptive, request())));

    group.bench_function("bare_with_context", |b| b.iter(|| once(&mut bare, request_with_context())));
    group.bench_function("adaptive_with_context", |b| b.iter(|| once(&mut adaptive, request_with_context())));

    group.bench_function("two_threads/bare", |b| b.iter_custom(|times| beside_another(&bare, times)));
    group.bench_function("two_threads/adaptive", |b| b.iter_custom(|times| beside_another(&adaptive, times)));

    let mut full = LoadShedLayer::new(1)
        .expect("it is valid")
        .queue(0)
        .layer(service_fn(|_: Request<()>| std::future::pending::<Result<Response<Body>, Infallible>>()));
    let mut cx = Context::from_waker(Waker::noop());
    let mut holds = pin!(full.call(request()));
    assert!(holds.as_mut().poll(&mut cx).is_pending());
    group.bench_function("request", |b| b.iter(|| black_box(real_request())));
    group.bench_function("refused", |b| b.iter(|| once(&mut full, real_request())));
    group.finish();
    criterion.final_summary();
}
