//! A client that sends its request's body slowly, or not at all.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{convert::Infallible, future::ready, time::Duration};

use axum::{Router, body::Bytes as AxumBytes, routing::post};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::BodyExt;
use macadam_core::{Kind, Outcome, Rejection, RequestContext, ResponseBody, Stage};
use macadam_test::{BodyHandle, Refused, ScriptedBody, Step, wire::Client};
use macadam_timeouts::{RequestBody, RequestBodyTimeoutLayer, TimeoutCause, TimeoutLayer};
use tokio::time::{Instant, sleep, timeout};
use tower::{Layer, Service, ServiceExt, service_fn};

const IDLE: Duration = Duration::from_secs(30);
const GRACE: Duration = Duration::from_secs(5);
const LIMIT: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(1);

/// A request whose body has so many frames, each after a wake, and its handle.
fn upload(frames: usize, frame: &'static [u8]) -> (Request<ScriptedBody>, BodyHandle) {
    let steps = (0..frames).flat_map(|_| [Step::pending(), Step::data(Bytes::from_static(frame))]);
    let body = ScriptedBody::new(steps);
    let handle = body.handle();
    (Request::post("/").body(body).unwrap(), handle)
}

/// Reads its request's body, and makes 400 of an error as axum's extractors do.
async fn read(request: Request<RequestBody<ScriptedBody>>) -> Result<Response<String>, Infallible> {
    let mut response = Response::new(String::new());
    match request.into_body().collect().await {
        Ok(body) => *response.body_mut() = format!("{} bytes", body.to_bytes().len()),
        Err(error) => {
            *response.body_mut() = format!("{:?}", error.downcast_ref::<TimeoutCause>());
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
    }
    Ok(response)
}

async fn text(response: Response<ResponseBody<String>>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

/// Wakes the body after each interval.
fn send_every(handle: BodyHandle, every: Duration) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        loop {
            sleep(every).await;
            handle.wake();
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_silent_for_the_idle_time_is_answered_408_and_a_tick_less_is_served() {
    let layer = RequestBodyTimeoutLayer::new(IDLE);
    let (request, handle) = upload(3, b"abc");
    let sender = send_every(handle, IDLE - TICK);
    let response = layer.layer(service_fn(read)).oneshot(request).await.unwrap();
    assert_eq!(text(response).await, "9 bytes");
    sender.abort();

    let (mut request, handle) = upload(3, b"abc");
    let context = RequestContext::of(&mut request);
    let start = Instant::now();
    let response = layer.layer(service_fn(read)).oneshot(request).await.unwrap();
    assert_eq!((response.status(), start.elapsed()), (StatusCode::REQUEST_TIMEOUT, IDLE));
    assert_eq!(response.headers()["connection"], "close");
    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!((rejection.kind(), rejection.reason()), (Kind::RequestTimeout, Some("request-idle")));
    assert_eq!(response.extensions().get(), Some(&TimeoutCause::RequestIdle));
    assert_eq!((context.outcome(), context.stage()), (Outcome::TimedOut, Stage::Received));
    assert!(handle.is_dropped());
}

#[tokio::test(start_paused = true)]
async fn a_trickle_that_is_never_silent_is_too_slow_after_its_grace() {
    let layer = RequestBodyTimeoutLayer::new(IDLE).min_rate(240, GRACE);
    let (request, handle) = upload(1000, b"x");
    let sender = send_every(handle, Duration::from_secs(1));
    let start = Instant::now();
    let response = layer.layer(service_fn(read)).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(response.extensions().get(), Some(&TimeoutCause::RequestRate));
    // Each of its bytes pays for a few milliseconds.
    assert_eq!(start.elapsed(), GRACE + Duration::from_secs(1));
    sender.abort();

    // The control: at the rate, and in lumps with a silence that is longer than the grace.
    for (every, frame) in [(Duration::from_secs(1), &[b'x'; 240][..]), (2 * GRACE, &[b'x'; 2400][..])] {
        let (request, handle) = upload(20, frame);
        let sender = send_every(handle, every);
        let response = layer.layer(service_fn(read)).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        sender.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_read_is_not_a_slow_client() {
    let layer = RequestBodyTimeoutLayer::new(IDLE).min_rate(240, GRACE);
    let handler = service_fn(async |request: Request<RequestBody<ScriptedBody>>| {
        let mut body = request.into_body();
        let mut bytes = 0;
        loop {
            sleep(4 * IDLE).await;
            match body.frame().await {
                Some(frame) => bytes += frame.unwrap().into_data().unwrap().len(),
                None => return Ok::<_, Infallible>(Response::new(format!("{bytes} bytes"))),
            }
        }
    });
    let (request, handle) = upload(3, b"a");
    (0..3).for_each(|_| handle.wake());
    assert_eq!(text(layer.layer(handler).oneshot(request).await.unwrap()).await, "3 bytes");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_stands_still_while_the_handler_waits_for_the_client() {
    let (request, handle) = upload(2, b"abc");
    let sender = send_every(handle, IDLE - TICK);
    let handler = service_fn(async |request| {
        let response = read(request).await;
        sleep(LIMIT - TICK).await;
        response
    });
    let layers = (RequestBodyTimeoutLayer::new(IDLE), TimeoutLayer::new(LIMIT));
    let response = layers.layer(handler).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    sender.abort();

    // What is not waiting counts.
    let (request, _handle) = upload(2, b"abc");
    let layers = (RequestBodyTimeoutLayer::new(IDLE), TimeoutLayer::new(LIMIT));
    let never = service_fn(|_| std::future::pending::<Result<Response<String>, Infallible>>());
    let response = layers.layer(never).oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT, "and not 408: the client is not to blame");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_copes_answers_for_itself_and_http1_closes() {
    let handler = service_fn(async |request: Request<RequestBody<ScriptedBody>>| {
        let mut body = request.into_body();
        assert!(body.frame().await.unwrap().is_err());
        assert!(body.frame().await.is_none(), "it has ended");
        assert!(body.is_end_stream());
        Ok::<_, Infallible>(Response::new(String::from("never mind")))
    });
    for (version, closes) in [(http::Version::HTTP_11, true), (http::Version::HTTP_2, false)] {
        let (mut request, _handle) = upload(1, b"abc");
        *request.version_mut() = version;
        let response = RequestBodyTimeoutLayer::new(IDLE).layer(handler).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers().contains_key("connection"), closes);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_handlers_own_is_its_own() {
    let refuse = |_| {
        let mut response = Response::new(String::from("mine"));
        *response.status_mut() = StatusCode::BAD_REQUEST;
        ready(Ok::<_, Infallible>(response))
    };
    let response = RequestBodyTimeoutLayer::new(IDLE)
        .layer(service_fn(refuse))
        .oneshot(upload(1, b"a").0)
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(text(response).await, "mine");
}

#[tokio::test(start_paused = true)]
async fn size_end_trailers_and_errors_of_the_body_pass() {
    let handler = service_fn(async |request: Request<RequestBody<ScriptedBody>>| {
        let mut body = request.into_body();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(3), false));
        assert!(body.frame().await.unwrap().unwrap().is_data());
        assert!(body.frame().await.unwrap().unwrap().is_trailers());
        assert!(body.frame().await.is_none());
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let steps = [Step::data("abc"), Step::trailers(http::HeaderMap::new())];
    let request = Request::new(ScriptedBody::new(steps).exact_size());
    RequestBodyTimeoutLayer::new(IDLE).layer(handler).oneshot(request).await.unwrap();

    let handler = service_fn(async |request: Request<RequestBody<ScriptedBody>>| {
        let mut body = request.into_body();
        assert!(body.frame().await.unwrap().unwrap_err().is::<Refused>());
        assert!(body.frame().await.is_none());
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let request = Request::new(ScriptedBody::new([Step::error()]));
    let response = RequestBodyTimeoutLayer::new(IDLE).layer(handler).oneshot(request).await.unwrap();
    assert!(!response.headers().contains_key("connection"));
}

#[tokio::test(start_paused = true)]
async fn dropped_while_it_waits_it_lets_the_deadline_run_on() {
    let (mut request, _handle) = upload(1, b"abc");
    let context = RequestContext::of(&mut request);
    context.set_deadline(Some(context.arrival() + LIMIT));
    let mut service = RequestBodyTimeoutLayer::new(IDLE).layer(service_fn(read));
    let call = service.call(request);
    assert!(timeout(LIMIT, call).await.is_err());
    sleep(LIMIT).await;
    assert_eq!(context.deadline(), Some(context.arrival() + 2 * LIMIT));
    assert_eq!(context.stage(), Stage::Received);
}

#[test]
fn a_request_without_a_body_costs_nothing_and_one_whose_body_is_there_its_context_and_a_word() {
    let cost = |request: fn() -> Request<ScriptedBody>| {
        let handler = service_fn(|request: Request<RequestBody<ScriptedBody>>| {
            let mut body = request.into_body();
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            while let std::task::Poll::Ready(Some(_)) = std::pin::Pin::new(&mut body).poll_frame(&mut cx) {}
            ready(Ok::<_, Infallible>(Response::new(String::new())))
        });
        let mut service = RequestBodyTimeoutLayer::new(IDLE).min_rate(240, GRACE).layer(handler);
        let request = request();
        // Outside a runtime, so a timer would panic.
        macadam_test::allocations(|| {
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(std::pin::pin!(service.call(request)).poll(&mut cx).is_ready());
        })
    };
    assert_eq!(cost(|| Request::new(ScriptedBody::empty())), 0);
    let context = macadam_test::allocations(|| RequestContext::of(&mut Request::new(())));
    assert_eq!(cost(|| Request::new(ScriptedBody::new([Step::data("a"), Step::data("b")]))), context + 1);
}

/// On stock `axum::serve`, with a body on a raw socket.
async fn on_stock_axum(layers: impl FnOnce(Router) -> Router) -> Client {
    let app = layers(Router::new().route("/", post(async |body: AxumBytes| body)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Client::connect(address).await
}

const HEAD: &str = "POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\n";

#[tokio::test]
async fn on_stock_axum_a_stalled_upload_is_answered_408_and_closed() {
    let short = Duration::from_millis(150);
    let layers = |app: Router| {
        app.layer(TimeoutLayer::new(short / 2))
            .layer(RequestBodyTimeoutLayer::new(short).min_rate(240, GRACE))
    };
    let mut client = on_stock_axum(layers).await;
    client.send(format!("{HEAD}abcdef")).await;
    assert_eq!(client.response().await.text(), "abcdef");
    for stalled in ["abc", ""] {
        let mut client = on_stock_axum(layers).await;
        client.send(format!("{HEAD}{stalled}")).await;
        let reply = timeout(IDLE, client.response()).await.unwrap();
        assert_eq!((reply.status, reply.header("connection")), (StatusCode::REQUEST_TIMEOUT, Some("close")));
        assert!(reply.text().contains("request-timeout"));
        assert!(client.closed().await.unwrap().is_empty());
    }
    // The control: without the layer it is still waited for.
    let mut client = on_stock_axum(|app| app).await;
    client.send(format!("{HEAD}abc")).await;
    assert!(timeout(3 * short, client.response()).await.is_err());
}

#[tokio::test]
async fn on_stock_axum_a_chunked_trickle_is_answered_408() {
    let grace = Duration::from_millis(200);
    let mut client =
        on_stock_axum(|app| app.layer(RequestBodyTimeoutLayer::new(IDLE).min_rate(240, grace))).await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let trickle = async {
        let mut client = client;
        loop {
            tokio::select! {
                reply = client.response() => return reply,
                () = sleep(grace / 4) => {}
            }
            let _ = client.try_send("1\r\nx\r\n").await;
        }
    };
    assert_eq!(timeout(IDLE, trickle).await.unwrap().status, StatusCode::REQUEST_TIMEOUT);
}
