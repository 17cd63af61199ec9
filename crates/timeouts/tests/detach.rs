//! A handler that runs on after its deadline.
#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Request, Response, StatusCode};
use macadam_core::{Gauges, InFlight, RequestContext};
use macadam_test::allocations;
use macadam_timeouts::{DetachHandle, DetachLayer, RouteTimeoutLayer, TimeoutLayer};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use tower::{Layer, Service, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_secs(3);
const WORK: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(1);

fn request(context: bool) -> Request<()> {
    let mut request = Request::new(());
    if context {
        RequestContext::of(&mut request);
    }
    request
}

/// Works for a while, with a permit as load-shed gives it, and answers with `status`.
fn handler(
    permits: &Arc<Semaphore>,
    status: u16,
) -> impl Service<Request<()>, Response = Response<String>, Error = Infallible, Future: Send> + Clone + use<>
{
    let permits = Arc::clone(permits);
    service_fn(move |_| {
        let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
        async move {
            sleep(WORK).await;
            assert_ne!(status, 0, "as it should");
            drop(permit);
            Ok(Response::builder().status(status).body(String::new()).unwrap())
        }
    })
}

/// What runs on now, and what has ended in which way.
fn counted(handle: &DetachHandle) -> String {
    let mut seen = Vec::new();
    handle.read(&mut |reading| match (reading.labels, reading.value) {
        ([], running) => seen.push(format!("running {running}")),
        (_, 0.0) => {}
        ([(_, end), ..], ended) => seen.push(format!("{end} {ended}")),
    });
    seen.join(", ")
}

#[tokio::test(start_paused = true)]
async fn it_runs_on_after_its_504_and_what_it_holds_is_held_until_it_ends() {
    for context in [false, true] {
        for (status, end) in [(200, "answered"), (404, "answered"), (500, "failed"), (0, "panicked")] {
            let permits = Arc::new(Semaphore::new(1));
            let (detach, handle) = DetachLayer::new(1).pair();
            let service = TimeoutLayer::new(LIMIT).layer(detach.layer(handler(&permits, status)));
            let response = service.oneshot(request(context)).await.unwrap();
            assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
            assert_eq!((counted(&handle), permits.available_permits()), ("running 1".into(), 0));
            sleep(WORK - LIMIT - TICK).await;
            assert_eq!((counted(&handle), permits.available_permits()), ("running 1".into(), 0));
            sleep(2 * TICK).await;
            assert_eq!((counted(&handle), permits.available_permits()), (format!("running 0, {end} 1"), 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_may_detach_under_the_timeout_of_the_router() {
    let permits = Arc::new(Semaphore::new(1));
    let (detach, handle) = DetachLayer::new(1).pair();
    let route = RouteTimeoutLayer::new(LIMIT / 3).layer(detach.layer(handler(&permits, 200)));
    let boxed = tower::util::BoxCloneService::new(route);
    let response = TimeoutLayer::new(LIMIT).layer(boxed).oneshot(request(true)).await.unwrap();
    assert_eq!((response.status(), counted(&handle)), (StatusCode::GATEWAY_TIMEOUT, "running 1".into()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_cancels_it_and_an_answer_in_time_is_nothing_special() {
    let permits = Arc::new(Semaphore::new(1));
    let (detach, handle) = DetachLayer::new(1).pair();
    let service = TimeoutLayer::new(2 * WORK).layer(detach.layer(handler(&permits, 200)));
    assert!(timeout(LIMIT, service.clone().oneshot(request(true))).await.is_err());
    assert_eq!((counted(&handle), permits.available_permits()), ("running 0".into(), 1));
    assert_eq!(service.oneshot(request(true)).await.unwrap().status(), StatusCode::OK);
    assert_eq!((counted(&handle), permits.available_permits()), ("running 0".into(), 1));
}

#[tokio::test(start_paused = true)]
async fn no_more_run_on_than_may() {
    let permits = Arc::new(Semaphore::new(3));
    let (detach, handle) = DetachLayer::new(2).pair();
    let service = TimeoutLayer::new(LIMIT).layer(detach.layer(handler(&permits, 200)));
    let calls = [(); 3].map(|()| tokio::spawn(service.clone().oneshot(request(false))));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), StatusCode::GATEWAY_TIMEOUT);
    }
    assert_eq!((counted(&handle), permits.available_permits()), ("running 2, cancelled 1".into(), 1));
    sleep(WORK).await;
    assert_eq!(counted(&handle), "running 0, answered 2, cancelled 1");
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_for_what_is_in_its_table() {
    let (permits, table) = (Arc::new(Semaphore::new(1)), InFlight::new());
    let detach = DetachLayer::new(1).in_flight(table.clone());
    let service = TimeoutLayer::new(LIMIT).layer(detach.layer(handler(&permits, 200)));
    service.oneshot(request(true)).await.unwrap();
    let mut named = 0;
    table.for_each(|context| named += usize::from(context.is_some()));
    assert_eq!((table.len(), named), (1, 1));
    let start = tokio::time::Instant::now();
    table.drained().await;
    assert_eq!((start.elapsed(), permits.available_permits()), (WORK - LIMIT, 1));
}

#[test]
fn a_runtime_that_ends_cuts_it() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let permits = Arc::new(Semaphore::new(1));
    let (detach, handle) = DetachLayer::new(1).pair();
    let service = TimeoutLayer::new(LIMIT).layer(detach.layer(handler(&permits, 200)));
    runtime.block_on(service.oneshot(request(false))).unwrap();
    drop(runtime);
    assert_eq!((counted(&handle), permits.available_permits()), ("running 0, cut 1".into(), 1));
}

#[test]
fn it_costs_one_allocation() {
    let mut service = DetachLayer::new(1)
        .layer(service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new()))));
    let request = request(false);
    assert_eq!(allocations(|| service.call(request)), 1);
}

#[tokio::test(start_paused = true)]
async fn it_keeps_the_contract() {
    macadam_test::contract::check(DetachLayer::new(8)).await;
    let layers = tower::ServiceBuilder::new().layer(TimeoutLayer::new(LIMIT)).layer(DetachLayer::new(8));
    macadam_test::contract::check(layers).await;
}
