//! Why a request timed out, and who is told.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use http::{Request, Response, StatusCode};
use macadam_core::{Outcome, RequestContext, context::Route};
use macadam_timeouts::{RouteTimeoutLayer, TimeoutCause, TimeoutEvent, TimeoutLayer};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(1);

type Told = (TimeoutCause, Duration, Duration, Option<Route>);

fn with_context() -> (Request<()>, RequestContext) {
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    (request, context)
}

/// A layer, and what its hook was told.
fn told(layer: TimeoutLayer) -> (TimeoutLayer, Arc<Mutex<Vec<Told>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let layer = layer.on_timeout({
        let told = Arc::clone(&told);
        move |event: &TimeoutEvent<'_>| {
            let told_of = (event.cause(), event.elapsed(), event.budget(), event.route());
            told.lock().expect("no test panics in a hook").push(told_of);
        }
    });
    (layer, told)
}

async fn send(layer: impl Layer<Work, Service = impl Timed>, request: Request<()>) -> Response<String> {
    layer.layer(Work(Duration::MAX)).once(request).await
}

/// A service that works for so long.
#[derive(Clone)]
struct Work(Duration);

impl tower::Service<Request<()>> for Work {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let work = self.0;
        Box::pin(async move {
            sleep(work).await;
            Ok(Response::new(String::new()))
        })
    }
}

trait Timed {
    async fn once(self, request: Request<()>) -> Response<String>;
}

impl<S, B> Timed for S
where
    S: tower::Service<Request<()>, Response = Response<B>, Error = Infallible>,
{
    async fn once(self, request: Request<()>) -> Response<String> {
        let Ok(response) = self.oneshot(request).await;
        response.map(|_| String::new())
    }
}

#[tokio::test(start_paused = true)]
async fn the_cause_is_in_the_extensions_and_the_hook_knows_it_with_elapsed_and_budget_and_route() {
    let (layer, told) = told(TimeoutLayer::new(LIMIT));
    let route = Route::intern("/orders/{id}");

    let (request, context) = with_context();
    context.set_route(route);
    sleep(TICK).await;
    let response = send(layer.clone(), request).await;
    assert_eq!(response.extensions().get(), Some(&TimeoutCause::Deadline));

    let (request, context) = with_context();
    context.inherit_deadline(context.arrival() + LIMIT / 3);
    let response = send(layer.clone(), request).await;
    assert_eq!(response.extensions().get(), Some(&TimeoutCause::Inherited));
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);

    let (request, context) = with_context();
    context.inherit_deadline(context.arrival() + TICK);
    sleep(2 * TICK).await;
    let response = send(layer.clone(), request).await;
    assert_eq!(response.extensions().get(), Some(&TimeoutCause::OnArrival));
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);

    let response = send(layer, Request::new(())).await;
    assert_eq!(response.extensions().get(), Some(&TimeoutCause::Deadline));

    let expected = [
        (TimeoutCause::Deadline, LIMIT, LIMIT, Some(route)),
        (TimeoutCause::Inherited, LIMIT / 3, LIMIT / 3, None),
        (TimeoutCause::OnArrival, 2 * TICK, TICK, None),
        (TimeoutCause::Deadline, LIMIT, LIMIT, None),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_response_in_time_has_no_cause_and_the_hook_is_not_called() {
    let (layer, told) = told(TimeoutLayer::new(LIMIT));
    let response = layer.layer(Work(LIMIT)).once(with_context().0).await;
    assert_eq!(response.extensions().get::<TimeoutCause>(), None);
    assert_eq!(*told.lock().unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_away_is_no_timeout() {
    for layer in [TimeoutLayer::new(LIMIT), TimeoutLayer::new(LIMIT).dry_run()] {
        let (layer, told) = told(layer);
        let (request, context) = with_context();
        let gone = tokio::time::timeout(LIMIT - TICK, send(layer, request)).await;
        assert!(gone.is_err());
        assert_eq!((told.lock().unwrap().len(), context.outcome()), (0, Outcome::Pending));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_changes_nothing_and_tells_how_long_it_would_have_taken() {
    for context in [false, true] {
        for work in [LIMIT, LIMIT + TICK, 10 * LIMIT] {
            let (layer, told) = told(TimeoutLayer::new(LIMIT).dry_run());
            let request = if context { with_context().0 } else { Request::new(()) };
            let response = layer.layer(Work(work)).once(request).await;
            assert_eq!((response.status(), response.extensions().len()), (StatusCode::OK, 0));
            let expected =
                if work > LIMIT { vec![(TimeoutCause::Deadline, work, LIMIT, None)] } else { vec![] };
            assert_eq!(*told.lock().unwrap(), expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_leaves_the_deadline_to_others_and_shows_none() {
    let (layer, told) = told(TimeoutLayer::new(LIMIT).dry_run().expose());
    let handler = service_fn(|request: Request<()>| async move {
        let context = RequestContext::get(&request).unwrap();
        assert_eq!(context.deadline(), None);
        assert!(context.own_timer().is_some(), "the timer is there for a layer that enforces");
        context.pause_deadline();
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    assert_eq!(layer.layer(handler).once(Request::new(())).await.status(), StatusCode::OK);

    // A layer inside that enforces does so.
    let inner = layer.layer(TimeoutLayer::new(LIMIT / 3).layer(Work(Duration::MAX)));
    assert_eq!(inner.once(Request::new(())).await.status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(*told.lock().unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn in_a_dry_run_a_routes_timeout_counts_and_ends_nothing_either() {
    for context in [false, true] {
        for (route, told_of) in [
            (RouteTimeoutLayer::new(LIMIT / 3), 1),
            (RouteTimeoutLayer::new(Duration::ZERO), 1),
            (RouteTimeoutLayer::new(10 * LIMIT), 0),
            (RouteTimeoutLayer::disabled(), 0),
        ] {
            let (layer, told) = told(TimeoutLayer::new(LIMIT).dry_run());
            let request = if context { with_context().0 } else { Request::new(()) };
            let response = layer.layer(route.layer(Work(2 * LIMIT))).once(request).await;
            assert_eq!(
                (response.status(), told.lock().unwrap().len()),
                (StatusCode::OK, told_of),
                "{route:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_dry_run_waits_for_the_client_do_not_count() {
    for (work, told_of) in [(LIMIT, 0), (LIMIT + TICK, 1)] {
        let (layer, told) = told(TimeoutLayer::new(LIMIT).dry_run());
        let (request, context) = with_context();
        context.set_deadline(Some(context.arrival() + 100 * LIMIT));
        let handler = service_fn(move |request: Request<()>| async move {
            let context = RequestContext::get(&request).unwrap();
            context.pause_deadline();
            sleep(10 * LIMIT).await;
            context.resume_deadline();
            sleep(work).await;
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        layer.layer(handler).once(request).await;
        assert_eq!(told.lock().unwrap().len(), told_of);
    }
}
