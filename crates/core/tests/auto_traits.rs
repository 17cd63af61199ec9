//! What a handle, a future or a body may be done with, fixed: losing one of these would break a user's build.

use bytes::Bytes;
use http_body_util::Full;
use macadam_core::{
    Criticality, End, GuardedBody, GuardedFuture, Hold, InFlight, InFlightGuard, Kind, Outcome, Phase,
    PhaseOwner, PhaseWatch, Protocol, Rejection, RequestContext, ResponseBody, Route, Stage, Streaming, Wire,
    context::{Id, InContext, InvalidRequestId, Lowered, TimerOwner, WakeAsked},
};
use tokio::time::Instant;

const fn free<T: Send + Sync + Unpin + 'static>() {}

const _: () = {
    free::<RequestContext>();
    free::<TimerOwner>();
    free::<Lowered>();
    free::<WakeAsked>();
    free::<InContext<std::future::Ready<()>>>();
    free::<Wire>();
    free::<Route>();
    free::<(Id, InvalidRequestId)>();
    free::<(Criticality, Outcome, Protocol, Stage)>();

    free::<Rejection>();
    free::<(Kind, End, Streaming)>();
    free::<Hold<()>>();
    free::<GuardedBody<Full<Bytes>, ()>>();
    free::<GuardedFuture<std::future::Ready<()>, ()>>();
    free::<ResponseBody<Full<Bytes>>>();

    free::<InFlight>();
    free::<InFlightGuard>();
    free::<(Phase, PhaseOwner, PhaseWatch)>();
};

fn is_send<T: Send>(_: &T) -> bool {
    true
}

#[test]
fn what_waits_can_be_spawned() {
    assert!(is_send(&InFlight::new().drained()));
    assert!(is_send(&PhaseOwner::new().watch().reached(Phase::Serving)));
}

#[test]
fn a_context_fits_into_a_few_cache_lines() {
    let context = RequestContext::new(Instant::now(), None, Wire::of(&http::Request::new(())));
    let allocated = macadam_test::allocations_of(|| context.fork());
    assert_eq!(allocated.count, 1);
    assert!(allocated.bytes <= 416, "{} bytes", allocated.bytes);
}
