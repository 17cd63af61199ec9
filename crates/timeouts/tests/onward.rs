//! The deadline on its way out: in headers to the next hop, and in tasks that work for the request.

use std::{convert::Infallible, time::Duration};

use axum::{Router, routing::get};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use macadam_core::RequestContext;
use macadam_timeouts::{
    CurrentLayer, Deadline, Expired, Inherit, TimeoutHeader, TimeoutLayer, spawn_with_context,
    without_context,
};
use tokio::{
    task::JoinSet,
    time::{advance, sleep},
};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_secs(3);
const MS: fn(u64) -> Duration = Duration::from_millis;
const MILLIS: TimeoutHeader = TimeoutHeader::millis(HeaderName::from_static("x-request-timeout-ms"));

fn deadline_in(left: Option<Duration>) -> Deadline {
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    context.set_deadline(left.map(|left| context.arrival() + left));
    Deadline::of(&request).expect("it has a context")
}

/// What the current deadline leaves; `None` without one.
fn left_now() -> Option<Duration> {
    Deadline::current()?.remaining()
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_written_in_each_of_the_four_forms() {
    let deadline = deadline_in(Some(LIMIT));
    advance(MS(500)).await;
    for (header, value) in [
        (TimeoutHeader::grpc(), "2500000u"),
        (TimeoutHeader::connect(), "2500"),
        (TimeoutHeader::envoy(), "2500"),
        (MILLIS, "2500"),
    ] {
        let mut headers = HeaderMap::new();
        headers.append(header.name(), HeaderValue::from_static("9999"));
        headers.append(header.name(), HeaderValue::from_static("9998"));
        let told = deadline.write(&mut headers, &header, Duration::ZERO).unwrap();
        assert_eq!(told, Some(MS(2500)));
        let values: Vec<_> = headers.get_all(header.name()).iter().collect();
        assert_eq!(values, [value], "what the hop before said is replaced");
    }
}

#[tokio::test(start_paused = true)]
async fn slack_is_kept_back() {
    let mut headers = HeaderMap::new();
    let told = deadline_in(Some(LIMIT)).write(&mut headers, &MILLIS, MS(5)).unwrap();
    assert_eq!((told, &headers["x-request-timeout-ms"]), (Some(LIMIT - MS(5)), &HeaderValue::from(2995)));
}

#[tokio::test(start_paused = true)]
async fn with_nothing_left_there_is_an_error_and_no_header() {
    for (left, slack) in
        [(Duration::ZERO, Duration::ZERO), (MS(5), MS(5)), (MS(5), MS(6)), (MS(5), MS(4) + MS(1) / 2)]
    {
        let mut headers = HeaderMap::new();
        assert_eq!(deadline_in(Some(left)).write(&mut headers, &MILLIS, slack), Err(Expired));
        assert!(headers.is_empty());
    }
    let deadline = deadline_in(Some(MS(5)));
    advance(LIMIT).await;
    for header in [TimeoutHeader::grpc(), TimeoutHeader::connect(), TimeoutHeader::envoy(), MILLIS] {
        assert_eq!(deadline.write(&mut HeaderMap::new(), &header, Duration::ZERO), Err(Expired));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_may_take_for_ever_tells_nothing() {
    let mut headers = HeaderMap::new();
    assert_eq!(deadline_in(None).write(&mut headers, &MILLIS, MS(5)), Ok(None));
    assert!(headers.is_empty());
}

#[tokio::test(start_paused = true)]
async fn over_three_hops_what_is_left_only_ever_gets_less() {
    for header in [TimeoutHeader::grpc(), TimeoutHeader::connect(), TimeoutHeader::envoy(), MILLIS] {
        let hop = TimeoutLayer::new(LIMIT).inherit(Inherit::trust(2 * LIMIT));
        let mut request = Request::new(());
        let mut seen = Vec::new();
        for _ in 0..3 {
            request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
            let (send, receive) = tokio::sync::oneshot::channel();
            let mut send = Some(send);
            let handler = service_fn(|request: Request<()>| {
                let send = send.take().expect("it is called once");
                let header = header.clone();
                async move {
                    let deadline = Deadline::of(&request).expect("the request brought one, or was given one");
                    let left = deadline.remaining().unwrap();
                    sleep(MS(20) + MS(1) / 3).await;
                    let mut onward = Request::new(());
                    let told = deadline.write(onward.headers_mut(), &header, MS(5)).unwrap().unwrap();
                    assert!(told <= deadline.remaining().unwrap() - MS(5));
                    send.send((left, onward)).expect("the test waits for it");
                    Ok::<_, Infallible>(Response::new(String::new()))
                }
            });
            assert_eq!(hop.clone().expose().layer(handler).oneshot(request).await.unwrap().status(), 200);
            let (left, onward) = receive.await.unwrap();
            seen.push(left);
            request = onward;
        }
        assert_eq!(seen[0], LIMIT);
        for (before, after) in seen.iter().zip(&seen[1..]) {
            assert!(*after <= *before - MS(25) && *after >= *before - MS(28), "{header:?}: {seen:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn once_time_is_up_no_connection_is_opened_to_the_next_hop() {
    let next = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = next.local_addr().unwrap();
    // A client as one writes it: what cannot be told is not sent.
    let call = async |deadline: &Deadline| {
        let mut request = Request::new(());
        deadline.write(request.headers_mut(), &MILLIS, Duration::ZERO)?;
        tokio::net::TcpStream::connect(address).await.expect("the next hop listens");
        Ok::<_, Expired>(())
    };
    let deadline = deadline_in(Some(MS(10)));
    call(&deadline).await.unwrap();
    next.accept().await.expect("the control: it was called while there was time");
    deadline.set(Some(tokio::time::Instant::now()));
    call(&deadline).await.unwrap_err();
    tokio::select! {
        _ = next.accept() => panic!("a connection was opened"),
        () = sleep(MS(100)) => {}
    }
}

/// Sends a request with a timeout of 250 ms to a handler that finds its deadline by itself.
async fn within_current<F: Future<Output = ()>>(handler: impl Fn() -> F) {
    let layers =
        ServiceBuilder::new().layer(TimeoutLayer::new(LIMIT).inherit(Inherit::shorten())).layer(CurrentLayer);
    let service = layers.service_fn(|_: Request<()>| {
        assert_eq!(left_now(), Some(MS(250)), "a service that is called finds it as well as its future");
        let work = handler();
        async {
            work.await;
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let request = Request::get("/").header("x-request-timeout-ms", "250").body(()).expect("it is valid");
    let response = service.oneshot(request).await.expect("the service cannot fail");
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(left_now(), None);
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_calls_finds_the_deadline_of_the_request() {
    within_current(|| async {
        assert_eq!(left_now(), Some(MS(250)));
        sleep(MS(100)).await;
        assert_eq!(left_now(), Some(MS(150)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_spawned_with_the_context_inherits_the_deadline_and_a_plain_one_does_not() {
    within_current(|| async {
        let task = async {
            sleep(MS(100)).await;
            left_now()
        };
        assert_eq!(spawn_with_context(task).await.unwrap(), Some(MS(150)));
        assert_eq!(tokio::spawn(async { left_now() }).await.unwrap(), None);
        let grandchild =
            spawn_with_context(async { spawn_with_context(async { left_now() }).await.unwrap() });
        assert_eq!(grandchild.await.unwrap(), Some(MS(150)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_task_of_a_set_inherits_by_the_deadlines_scope() {
    let deadline = deadline_in(Some(LIMIT));
    let mut tasks = JoinSet::new();
    tasks.spawn(deadline.scope(async { left_now() }));
    tasks.spawn(async { left_now() });
    let mut seen = tasks.join_all().await;
    seen.sort();
    assert_eq!(seen, [None, Some(LIMIT)]);
}

#[tokio::test(start_paused = true)]
async fn work_that_outlives_the_request_is_kept_from_its_deadline() {
    within_current(|| async {
        without_context(async {
            assert_eq!(left_now(), None);
            assert_eq!(spawn_with_context(async { left_now() }).await.unwrap(), None);
        })
        .await;
        assert_eq!(left_now(), Some(MS(250)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_the_handler_moves_is_seen_in_its_tasks() {
    within_current(|| async {
        let child = spawn_with_context(async {
            sleep(MS(10)).await;
            left_now()
        });
        let deadline = Deadline::current().unwrap();
        deadline.set(Some(tokio::time::Instant::now() + MS(50)));
        assert_eq!(child.await.unwrap(), Some(MS(40)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn in_axum_the_layer_stands_wherever_one_can_and_a_route_without_it_has_no_current_deadline() {
    let left = || get(async || left_now().map_or(0, |left| left.as_millis()).to_string());
    let app: Router = Router::new()
        .route("/method", left().layer(CurrentLayer))
        .nest("/nested", Router::new().route("/", left()).layer(CurrentLayer))
        .route("/plain", left())
        .fallback_service(left().layer(CurrentLayer))
        .layer(TimeoutLayer::new(LIMIT).inherit(Inherit::shorten()).expose());
    for (path, seen) in [("/method", "250"), ("/nested", "250"), ("/plain", "0"), ("/nowhere", "250")] {
        let request = Request::get(path).header("x-request-timeout-ms", "250");
        let response = app.clone().oneshot(request.body(axum::body::Body::empty()).unwrap()).await.unwrap();
        let body = axum::body::to_bytes(response.into_body(), 16).await.unwrap();
        assert_eq!(body, seen, "{path}");
    }
}
