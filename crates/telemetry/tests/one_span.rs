//! One span a request, open to the end of its body, and what it says of the end.

use std::{
    convert::Infallible,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Waker},
};

use http::{Method, Request, Response};
use http_body_util::BodyExt;
use macadam_core::{Kind, Outcome, Rejection, RequestContext, Route};
use macadam_telemetry::{ResponseFuture, SpannedBody, Telemetry, TelemetryHandle, TelemetryLayer};
use macadam_test::{
    Exchange, Script, ScriptedBody, ScriptedService, Step,
    events::{Captured, Fields, capture},
    service::ScriptedFuture,
};
use tokio::time::{Duration, advance};
use tower::{Layer, Service, ServiceExt, service_fn};

/// A service inside the layer, and all that watches it.
struct Bench {
    service: Telemetry<ScriptedService>,
    script: Script,
    handle: TelemetryHandle,
    captured: Captured,
}

impl Bench {
    fn new() -> Self {
        let captured = capture();
        let (service, script) = macadam_test::service();
        let (layer, handle) = TelemetryLayer::new().pair();
        Self { service: layer.layer(service), script, handle, captured }
    }

    async fn call(&mut self, request: Request<()>) -> (ResponseFuture<ScriptedFuture>, Exchange) {
        (call(&mut self.service, request).await, self.script.next_call().await)
    }

    /// Sends a `GET`, and answers with these steps.
    async fn answered(&mut self, steps: impl IntoIterator<Item = Step>) -> SpannedBody<ScriptedBody> {
        self.answered_to(Request::new(()), Response::new(ScriptedBody::new(steps))).await
    }

    async fn answered_to(
        &mut self,
        request: Request<()>,
        response: Response<ScriptedBody>,
    ) -> SpannedBody<ScriptedBody> {
        let (future, exchange) = self.call(request).await;
        exchange.respond(response);
        future.await.expect("it is answered").into_body()
    }

    fn fields(&self) -> Fields {
        self.captured.span("request").fields
    }

    /// Asserts that the request is not over.
    #[track_caller]
    fn goes_on(&self) {
        assert_eq!(self.handle.active(), 1);
        assert!(!self.captured.span("request").is_closed);
        assert!(self.captured.events().is_empty());
        assert!(!self.fields().contains_key("macadam.outcome"));
    }

    /// Asserts that the request is over, and how, in the span, in its one event and in the count.
    #[track_caller]
    fn ended(&self, outcome: &str, status: Option<&str>) {
        assert_eq!(self.handle.active(), 0);
        assert_eq!(self.fields().get("macadam.outcome").map(String::as_str), Some(outcome));
        assert_eq!(self.fields().get("http.response.status_code").map(String::as_str), status);
        let events = self.captured.events();
        let [event] = &*events else { panic!("not one event: {events:#?}") };
        assert_eq!((&*event.target, &*event.message), ("macadam::access", "request ended"));
        // Whoever sheds says so for all of them.
        let level = if outcome == "shed" { tracing::Level::DEBUG } else { tracing::Level::INFO };
        assert_eq!((event.level, &*event.spans), (level, &["request"][..]));
        assert_eq!(event.fields["macadam.outcome"], outcome);
        assert_eq!(event.fields.get("http.response.status_code").map(String::as_str), status);
    }
}

async fn call(
    service: &mut Telemetry<ScriptedService>,
    request: Request<()>,
) -> ResponseFuture<ScriptedFuture> {
    ServiceExt::<Request<()>>::ready(service).await.expect("it is ready").call(request)
}

/// Says inside which spans it is polled and dropped.
struct Loud(&'static str);

impl Loud {
    fn polled(&self) {
        tracing::info!("{} polled", self.0);
    }
}

impl Drop for Loud {
    fn drop(&mut self) {
        tracing::info!("{} dropped", self.0);
    }
}

#[tokio::test]
async fn the_span_says_what_is_known_when_it_is_known() {
    let mut bench = Bench::new();
    let mut request = Request::post("/secret/path?token=secret").header("cookie", "secret").body(()).unwrap();
    let context = RequestContext::of(&mut request);
    context.set_request_id("0193a3f0").unwrap();

    let (future, exchange) = bench.call(request).await;
    let mut fields = bench.fields();
    let mut id = |name, digits| {
        let id = fields.remove(name).expect("it is there at the call");
        assert!(id.len() == digits && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')), "{id}");
    };
    id("trace_id", 32);
    id("span_id", 16);
    assert_eq!(
        fields,
        Fields::from([("request_id", "0193a3f0".into()), ("http.request.method", "POST".into())])
    );

    context.set_route(Route::intern("/secret/{path}"));
    let response = Response::builder().status(201).body(ScriptedBody::new([Step::data("made")])).unwrap();
    exchange.respond(response);
    let body = future.await.unwrap().into_body();
    assert_eq!(bench.fields()["http.response.status_code"], "201");
    assert_eq!(bench.fields()["http.route"], "/secret/{path}");
    bench.goes_on();

    body.collect().await.unwrap();
    bench.ended("finished", Some("201"));
    let span = bench.captured.span("request");
    assert_eq!((&*span.target, span.level), ("macadam::request", tracing::Level::INFO));
    assert!(span.is_closed);
    let said = format!("{:?}", bench.captured);
    assert!(!said.contains("token") && !said.contains("cookie") && !said.contains("secret/path"), "{said}");
}

#[tokio::test]
async fn a_method_that_is_in_no_standard_is_not_repeated() {
    for (method, said) in [("DELETE", "DELETE"), ("QUERY", "QUERY"), ("BREW", "_OTHER"), ("get", "_OTHER")] {
        let mut bench = Bench::new();
        let request = Request::builder().method(method).body(()).unwrap();
        bench.answered_to(request, Response::default()).await;
        assert_eq!(bench.fields()["http.request.method"], said);
    }
}

#[tokio::test]
async fn the_end_is_the_bodys_and_not_the_heads() {
    let mut bench = Bench::new();
    let mut body = bench.answered([Step::data("one"), Step::data("two")]).await;
    bench.goes_on();
    body.frame().await.unwrap().unwrap();
    bench.goes_on();
    body.frame().await.unwrap().unwrap();
    bench.ended("finished", Some("200"));
    assert!(!bench.captured.span("request").is_closed, "the body is still there");
    drop(body);
    assert!(bench.captured.span("request").is_closed);
    bench.ended("finished", Some("200"));
}

#[tokio::test]
async fn what_has_no_body_to_send_is_over_with_its_head() {
    let body = || ScriptedBody::new([Step::data("never polled")]).unknown_end();
    let head = || Request::builder().method(Method::HEAD).body(()).unwrap();
    let get = || Request::new(());
    for (request, status) in [(head(), 200), (head(), 404), (get(), 101), (get(), 204), (get(), 304)] {
        let mut bench = Bench::new();
        let response = Response::builder().status(status).body(body()).unwrap();
        drop(bench.answered_to(request, response).await);
        bench.ended("finished", Some(&status.to_string()));
        assert!(bench.captured.span("request").is_closed);
    }
    let mut bench = Bench::new();
    drop(bench.answered_to(get(), Response::new(body())).await);
    bench.ended("cancelled", Some("200"));
}

#[tokio::test]
async fn dropped_before_its_head_a_request_is_cancelled() {
    let mut bench = Bench::new();
    let (future, _exchange) = bench.call(Request::new(())).await;
    bench.goes_on();
    drop(future);
    bench.ended("cancelled", None);
    assert!(bench.captured.span("request").is_closed);
}

#[tokio::test]
async fn dropped_within_its_body_a_request_is_cancelled() {
    let mut bench = Bench::new();
    let mut body = bench.answered([Step::data("one"), Step::data("two")]).await;
    body.frame().await.unwrap().unwrap();
    drop(body);
    bench.ended("cancelled", Some("200"));
    assert!(bench.captured.span("request").is_closed);
}

#[tokio::test]
async fn an_error_of_the_service_or_its_body_is_failed() {
    let mut bench = Bench::new();
    let (future, exchange) = bench.call(Request::new(())).await;
    exchange.fail();
    assert!(future.await.is_err());
    bench.ended("failed", None);

    let mut bench = Bench::new();
    let body = bench.answered([Step::data("one"), Step::error()]).await;
    assert!(body.collect().await.is_err());
    bench.ended("failed", Some("200"));
}

#[tokio::test]
async fn a_panic_in_the_future_or_the_body_is_panicked() {
    let mut cx = Context::from_waker(Waker::noop());

    let mut bench = Bench::new();
    let (future, exchange) = bench.call(Request::new(())).await;
    exchange.panic();
    let polled = catch_unwind(AssertUnwindSafe(|| pin!(future).poll(&mut cx).is_ready()));
    assert!(polled.is_err());
    bench.ended("panicked", None);

    let mut bench = Bench::new();
    let body = bench.answered([Step::panic()]).await;
    let polled =
        catch_unwind(AssertUnwindSafe(|| http_body::Body::poll_frame(pin!(body), &mut cx).is_ready()));
    assert!(polled.is_err());
    bench.ended("panicked", Some("200"));
}

#[tokio::test]
async fn a_panic_in_the_call_is_panicked_and_counted_out() {
    let captured = capture();
    let (layer, handle) = TelemetryLayer::new().pair();
    let mut service = layer.layer(service_fn(
        |_: Request<()>| -> std::future::Ready<Result<Response<String>, Infallible>> {
            panic!("in the call")
        },
    ));
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    assert!(catch_unwind(AssertUnwindSafe(|| drop(service.call(request)))).is_err());
    assert_eq!(context.outcome(), Outcome::Panicked);
    assert_eq!(captured.span("request").fields["macadam.outcome"], "panicked");
    assert_eq!(handle.active(), 0);
}

#[tokio::test]
async fn the_outcome_that_somebody_settled_stands() {
    for (settled, said) in [
        (Outcome::Shed, "shed"),
        (Outcome::TimedOut, "timed-out"),
        (Outcome::CutByShutdown, "cut-by-shutdown"),
        (Outcome::Panicked, "panicked"),
    ] {
        let mut bench = Bench::new();
        let mut request = Request::new(());
        let context = RequestContext::of(&mut request);
        let (future, exchange) = bench.call(request).await;
        context.settle(settled);
        let mut response = Response::builder().status(503).body(ScriptedBody::empty()).unwrap();
        // As who settles an outcome leaves there.
        response.extensions_mut().insert(Rejection::new(Kind::DeadlineExceeded));
        exchange.respond(response);
        future.await.unwrap();
        bench.ended(said, Some("503"));
    }
}

#[tokio::test]
async fn the_context_learns_the_outcome() {
    let mut bench = Bench::new();
    let mut request = Request::new(());
    let context = RequestContext::of(&mut request);
    let body = bench.answered_to(request, Response::new(ScriptedBody::new([Step::data("one")]))).await;
    assert_eq!(context.outcome(), Outcome::Pending);
    body.collect().await.unwrap();
    assert_eq!(context.outcome(), Outcome::Finished);
}

#[tokio::test]
async fn without_a_context_the_layer_makes_one_for_those_further_in() {
    let mut bench = Bench::new();
    let (_future, exchange) = bench.call(Request::new(())).await;
    assert!(RequestContext::get(exchange.request()).is_some());
    assert!(!bench.fields().contains_key("request_id"));
}

#[tokio::test]
async fn a_route_that_is_known_when_the_request_is_given_up_is_said() {
    let mut bench = Bench::new();
    let (future, exchange) = bench.call(Request::new(())).await;
    RequestContext::get(exchange.request()).unwrap().set_route(Route::intern("/slow"));
    drop(future);
    assert_eq!(bench.fields()["http.route"], "/slow");
}

#[tokio::test(start_paused = true)]
async fn the_duration_is_from_the_arrival_to_the_last_frame() {
    let mut bench = Bench::new();
    let mut request = Request::new(());
    RequestContext::of(&mut request);
    // Such as the time in an outer layer.
    advance(Duration::from_millis(250)).await;
    let body = ScriptedBody::new([Step::pending(), Step::data("late")]);
    let handle = body.handle();
    let body = bench.answered_to(request, Response::new(body)).await;
    advance(Duration::from_millis(1250)).await;
    handle.wake();
    body.collect().await.unwrap();
    assert_eq!(bench.captured.events()[0].fields["duration_seconds"], "1.5");
}

#[tokio::test]
async fn call_future_and_body_run_and_are_dropped_inside_the_span() {
    let captured = capture();
    let service = TelemetryLayer::new().layer(service_fn(|_: Request<()>| {
        tracing::info!("call");
        let future = Loud("future");
        async move {
            future.polled();
            let body = Loud("body");
            let frames = ScriptedBody::new([Step::data("x"), Step::pending()]).map_frame(move |frame| {
                body.polled();
                frame
            });
            Ok::<_, Infallible>(Response::new(frames))
        }
    }));
    let mut body = service.oneshot(Request::new(())).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let events = captured.events();
    let said: Vec<_> = events.iter().map(|event| &*event.message).collect();
    assert_eq!(
        said,
        ["call", "future polled", "future dropped", "body polled", "body dropped", "request ended"]
    );
    assert!(events.iter().all(|event| event.spans == ["request"]), "{events:#?}");
}

#[tokio::test(start_paused = true)]
async fn under_a_subscriber_too_the_layer_keeps_the_contract_and_closes_every_span() {
    let captured = capture();
    let (layer, handle) = TelemetryLayer::new().pair();
    macadam_test::contract::check_with(layer, move || handle.active()).await;
    assert!(captured.spans().len() > 10, "it was looked at");
    assert!(captured.spans().iter().all(|span| span.is_closed));
}
