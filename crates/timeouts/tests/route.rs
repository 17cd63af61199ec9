//! A route's own timeout.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response, StatusCode};
use macadam_core::{Kind, Rejection, RequestContext};
use macadam_timeouts::{RouteTimeoutLayer, TimeoutLayer};
use tokio::time::{Instant, sleep};
use tower::{Layer, Service, ServiceExt, layer::util::Identity, service_fn};

const SHORT: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(3);
const LONG: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(1);

/// Sends a request through `outer`, a queue in which it waits for so long, and `route`.
async fn send<L>(
    outer: L,
    request: Request<()>,
    queue: Duration,
    route: RouteTimeoutLayer,
    work: Duration,
) -> (StatusCode, Duration)
where
    L: Layer<
        tower::util::BoxCloneService<
            Request<()>,
            Response<macadam_timeouts::TimeoutBody<String>>,
            Infallible,
        >,
    >,
    L::Service: Service<Request<()>, Error = Infallible, Response: Status>,
{
    let handler = service_fn(move |_| async move {
        sleep(work).await;
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let routed = route.layer(handler);
    let queued = service_fn(move |request| {
        let routed = routed.clone();
        async move {
            sleep(queue).await;
            routed.oneshot(request).await
        }
    });
    let start = Instant::now();
    let response = outer.layer(tower::util::BoxCloneService::new(queued)).oneshot(request).await.unwrap();
    (response.status(), start.elapsed())
}

trait Status {
    fn status(&self) -> StatusCode;
}

impl<B> Status for Response<B> {
    fn status(&self) -> StatusCode {
        Response::status(self)
    }
}

fn request(context: bool) -> Request<()> {
    let mut request = Request::new(());
    if context {
        RequestContext::of(&mut request);
    }
    request
}

#[tokio::test(start_paused = true)]
async fn it_moves_the_deadline_of_the_layer_around_it_with_a_context_and_without() {
    for context in [false, true] {
        for queue in [Duration::ZERO, SHORT / 2] {
            for (route, work, took) in [
                (RouteTimeoutLayer::new(LONG), LONG - queue, None),
                (RouteTimeoutLayer::new(LONG), LONG - queue + TICK, Some(LONG)),
                (RouteTimeoutLayer::new(SHORT), SHORT - queue, None),
                (RouteTimeoutLayer::new(SHORT), SHORT - queue + TICK, Some(SHORT)),
                (RouteTimeoutLayer::disabled(), 10 * LONG, None),
            ] {
                let answer = send(TimeoutLayer::new(LIMIT), request(context), queue, route, work).await;
                let expected = match took {
                    Some(took) => (StatusCode::GATEWAY_TIMEOUT, took),
                    None => (StatusCode::OK, queue + work),
                };
                assert_eq!(answer, expected, "{route:?} after {queue:?}, context: {context}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_reaches_an_exposed_layer_and_one_that_was_disabled() {
    let exposed = TimeoutLayer::new(LIMIT).expose();
    let answer = send(exposed, request(false), SHORT, RouteTimeoutLayer::new(LONG), 2 * LONG).await;
    assert_eq!(answer, (StatusCode::GATEWAY_TIMEOUT, LONG));

    for context in [false, true] {
        let endless = TimeoutLayer::new(Duration::MAX);
        let answer = send(endless, request(context), SHORT, RouteTimeoutLayer::new(LIMIT), LONG).await;
        assert_eq!(answer, (StatusCode::GATEWAY_TIMEOUT, LIMIT));
    }
}

#[tokio::test(start_paused = true)]
async fn where_nobody_outside_keeps_a_deadline_it_does() {
    for context in [false, true] {
        let route = RouteTimeoutLayer::new(LIMIT);
        let answer = send(Identity::new(), request(context), Duration::ZERO, route, LIMIT + TICK).await;
        assert_eq!(answer, (StatusCode::GATEWAY_TIMEOUT, LIMIT));

        let route = RouteTimeoutLayer::disabled();
        let answer = send(Identity::new(), request(context), Duration::ZERO, route, LONG).await;
        assert_eq!(answer, (StatusCode::OK, LONG));
    }
}

#[tokio::test(start_paused = true)]
async fn a_route_whose_time_is_over_when_it_is_reached_is_refused_and_its_handler_does_not_run() {
    for (queue, calls) in [(SHORT - TICK, 1), (SHORT, 0)] {
        let (handler, script) = macadam_test::service();
        let routed = RouteTimeoutLayer::new(SHORT).layer(handler);
        let queued = service_fn(move |request: Request<()>| {
            let routed = routed.clone();
            async move {
                sleep(queue).await;
                routed.oneshot(request).await
            }
        });
        let response = TimeoutLayer::new(LIMIT).layer(queued).oneshot(request(true)).await.unwrap();
        let kind = if calls == 0 { Kind::Deadline } else { Kind::DeadlineExceeded };
        assert_eq!(response.extensions().get::<Rejection>().unwrap().kind(), kind);
        assert_eq!(script.calls(), calls);
    }
}

#[tokio::test(start_paused = true)]
async fn zero_refuses_the_route() {
    for context in [false, true] {
        let (handler, script) = macadam_test::service();
        let routed = RouteTimeoutLayer::new(Duration::ZERO).layer(handler);
        let response = TimeoutLayer::new(LIMIT).layer(routed).oneshot(request(context)).await.unwrap();
        assert_eq!((response.status(), script.calls()), (StatusCode::SERVICE_UNAVAILABLE, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn waits_for_the_client_before_the_route_was_reached_do_not_count() {
    let routed = RouteTimeoutLayer::new(LONG).layer(service_fn(|_| async {
        std::future::pending::<()>().await;
        Ok::<_, Infallible>(Response::new(String::new()))
    }));
    let reads_first = service_fn(move |request: Request<()>| {
        let (routed, context) = (routed.clone(), RequestContext::get(&request).unwrap().clone());
        async move {
            context.pause_deadline();
            sleep(2 * LONG).await;
            context.resume_deadline();
            routed.oneshot(request).await
        }
    });
    let start = Instant::now();
    let response = TimeoutLayer::new(LIMIT).layer(reads_first).oneshot(request(true)).await.unwrap();
    assert_eq!((response.status(), start.elapsed()), (StatusCode::GATEWAY_TIMEOUT, 3 * LONG));
}

#[tokio::test(start_paused = true)]
async fn an_inherited_deadline_stands_against_the_route() {
    let request = request(true);
    let context = RequestContext::get(&request).unwrap();
    context.inherit_deadline(context.arrival() + LIMIT);
    for route in [RouteTimeoutLayer::new(LONG), RouteTimeoutLayer::disabled()] {
        let routed = route.layer(service_fn(|_| async {
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
        let start = context.arrival();
        let response = TimeoutLayer::new(LONG).layer(routed).oneshot(request.clone()).await.unwrap();
        assert_eq!((response.status().is_server_error(), start.elapsed()), (true, LIMIT));
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_context_it_moves_the_nearest_of_two_layers_with_one_both() {
    for (context, status, took) in [(false, StatusCode::GATEWAY_TIMEOUT, LIMIT), (true, StatusCode::OK, LONG)]
    {
        let routed = RouteTimeoutLayer::new(LONG).layer(service_fn(|_| async {
            sleep(LONG).await;
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
        let service = TimeoutLayer::new(LIMIT).layer(TimeoutLayer::new(SHORT).layer(routed));
        let start = Instant::now();
        let response = service.oneshot(request(context)).await.unwrap();
        assert_eq!((response.status(), start.elapsed()), (status, took));
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_panic_nobody_seems_to_listen() {
    let panics = service_fn(|_: Request<()>| async {
        if true {
            panic!("as it should");
        }
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let routed = RouteTimeoutLayer::new(LONG).layer(panics);
    let call = tokio::spawn(TimeoutLayer::new(LIMIT).layer(routed).oneshot(request(false)));
    assert!(call.await.unwrap_err().is_panic());

    // On the same thread, with nobody outside: the route finds nobody to move and keeps its own time.
    let answer = send(Identity::new(), request(false), Duration::ZERO, RouteTimeoutLayer::new(SHORT), LIMIT);
    assert_eq!(answer.await, (StatusCode::GATEWAY_TIMEOUT, SHORT));
}
