//! Counted allocations.
//!
//! The counter is the global allocator of every binary that links this crate, so no test can bring another one. It
//! counts by thread, and a `realloc` is one allocation more.

use std::{
    hint::black_box,
    pin::pin,
    task::{Context, Poll, Waker},
};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

/// What was allocated, whether or not it has been freed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocations {
    /// How many allocations.
    pub count: u64,
    /// Of how many bytes in all.
    pub bytes: u64,
}

/// How many allocations `f` makes on this thread.
pub fn allocations<R>(f: impl FnOnce() -> R) -> u64 {
    allocations_of(f).count
}

/// What `f` allocates on this thread.
pub fn allocations_of<R>(f: impl FnOnce() -> R) -> Allocations {
    let measured = allocation_counter::measure(|| {
        black_box(f());
    });
    Allocations { count: measured.count_total, bytes: measured.bytes_total }
}

/// How many allocations a service makes on this thread for so many requests, each from the call to the end of its
/// response's body. The requests are made beforehand, and a few go first to fill what is filled once.
///
/// # Panics
///
/// If the service or a body is not ready at once, or fails.
pub fn allocations_of_requests<S, R, B>(
    mut service: S,
    requests: u64,
    mut request: impl FnMut() -> Request<R>,
) -> u64
where
    S: Service<Request<R>, Response = Response<B>>,
    B: Body,
{
    let mut cx = Context::from_waker(Waker::noop());
    let mut pass = |request| {
        assert!(matches!(service.poll_ready(&mut cx), Poll::Ready(Ok(()))), "the service is not ready");
        let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut cx) else {
            panic!("the service does not answer at once")
        };
        let mut body = pin!(response.into_body());
        while !body.is_end_stream() {
            match body.as_mut().poll_frame(&mut cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(None) => break,
                _ => panic!("the body does not end at once"),
            }
        }
    };
    (0..10).for_each(|_| pass(request()));
    let requests: Vec<_> = (0..requests).map(|_| request()).collect();
    allocations(|| requests.into_iter().for_each(pass))
}
