//! The rules, one method each.

use std::{
    error::Error,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    Layered,
    drive::{Read, Ride, Wakes, broken, eventually, keeps, ready},
};
use crate::{BodyHandle, Exchange, Refused, Script, ScriptedBody, ScriptedService, Step, service};

/// The layer that is tried, and its own count of requests in flight.
pub(super) struct Subject<L, P> {
    pub(super) layer: L,
    pub(super) in_flight: P,
}

const READIED: &str = "the readied instance is the one called";
const READINESS: &str = "poll_ready forwards what the inner service says";
const INDEPENDENT: &str = "clones and layer() calls serve one after the other";
const RELEASE: &str = "what is dropped is dropped all the way down and gives back what was held";
const WAKE: &str = "a wake from inside reaches the outer task";
const ERROR: &str = "the service's error passes through unchanged";
const RESPONSE: &str = "the response passes through unchanged";
const SIZE: &str = "size_hint and is_end_stream survive";
const REQUEST: &str = "the request passes through unchanged";
const PANIC: &str = "a panic is not swallowed, and the next request is served";

/// Where a request is given up.
#[derive(Clone, Copy, Debug)]
enum Point {
    BeforeFirstPoll,
    WhilePending,
    AfterFailure,
    BeforeBody,
    InMiddleOfBody,
    AfterBody,
    AfterFailedBody,
}

impl<L, P> Subject<L, P>
where
    L: Layer<ScriptedService, Service: Layered>,
    P: Fn() -> usize,
{
    pub(super) async fn check(&self) {
        self.readiness().await;
        self.readied_instance().await;
        self.request().await;
        self.response().await;
        self.size().await;
        self.error().await;
        self.wakes().await;
        self.independence().await;
        for point in [
            Point::BeforeFirstPoll,
            Point::WhilePending,
            Point::AfterFailure,
            Point::BeforeBody,
            Point::InMiddleOfBody,
            Point::AfterBody,
            Point::AfterFailedBody,
        ] {
            self.release(point).await;
        }
        self.panics().await;
    }

    fn made(&self) -> (L::Service, Script) {
        let (inner, script) = service();
        (self.layer.layer(inner), script)
    }

    async fn readiness(&self) {
        let (mut outer, script) = self.made();
        let wakes = Arc::<Wakes>::default();
        let waker = Waker::from(Arc::clone(&wakes));
        let cx = &mut Context::from_waker(&waker);

        script.not_ready();
        let pending = outer.poll_ready(cx).is_pending();
        keeps(READINESS, pending, "it is ready though the inner service is not");
        script.ready();
        let woken = eventually(|| (wakes.count() > 0).then_some(())).await;
        keeps(READINESS, woken.is_some(), "nobody is woken when the inner service is ready");
        let readied = ready(READINESS, "readiness", |cx| outer.poll_ready(cx)).await;
        keeps(READINESS, readied.is_ok(), "it fails though the inner service is ready");

        let (mut outer, script) = self.made();
        script.fail_readiness();
        let failed = ready(READINESS, "the failure", |cx| outer.poll_ready(cx)).await;
        keeps(READINESS, failed == Err(Refused), "it succeeds though the inner service fails");
    }

    /// The scripted service itself panics when it is called without having been readied; here its clones are made
    /// at the moments at which layers get it wrong.
    async fn readied_instance(&self) {
        let (mut outer, script) = self.made();
        let readied = ready(READIED, "readiness", |cx| outer.poll_ready(cx)).await;
        keeps(READIED, readied.is_ok(), "it is not ready though the inner service is");
        let clone = outer.clone();
        script.not_ready();
        let mut ride = Ride::call(&mut outer, Request::default());
        ride.arrive(READIED, &script).await.ok();
        ride.response(READIED).await;
        script.ready();
        self.serves(READIED, &mut outer, &script).await;
        self.serves(READIED, &mut { clone }, &script).await;
        self.kept_tower(READIED, &script);
    }

    async fn request(&self) {
        let (mut outer, script) = self.made();
        let body = ScriptedBody::new([Step::data("upload")]).exact_size();
        let handle = body.handle();
        let mut request = Request::builder()
            .method(Method::PATCH)
            .uri("http://example.test/a/b?c=d")
            .version(Version::HTTP_2)
            .header("x-contract", "one")
            .header("x-contract", "two")
            .body(body)
            .expect("the parts are valid");
        request.extensions_mut().insert(Marker);

        let mut ride = Ride::start_with(REQUEST, &mut outer, request).await;
        let exchange = ride.arrive(REQUEST, &script).await;
        let seen = exchange.request();
        keeps(REQUEST, seen.method() == Method::PATCH, "the method is another");
        keeps(REQUEST, seen.uri() == "http://example.test/a/b?c=d", "the uri is another");
        keeps(REQUEST, seen.version() == Version::HTTP_2, "the version is another");
        keeps(REQUEST, values(seen.headers()) == ["one", "two"], "a header's values are others");
        keeps(REQUEST, seen.extensions().get::<Marker>().is_some(), "an extension is lost");
        keeps(REQUEST, !handle.is_dropped() && handle.polls() == 0, "the body is touched");
        let body: ScriptedBody = exchange.body();
        keeps(REQUEST, body.size_hint().exact() == Some(6), "the body is another");
        exchange.ok();
        ride.response(REQUEST).await;
    }

    async fn response(&self) {
        for status in [
            StatusCode::NON_AUTHORITATIVE_INFORMATION,
            StatusCode::NOT_FOUND,
            StatusCode::SERVICE_UNAVAILABLE,
        ] {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-trailer", HeaderValue::from_static("last"));
            let steps = [Step::data("one"), Step::data("two"), Step::trailers(trailers.clone())];
            let mut inner = Response::new(ScriptedBody::new(steps));
            *inner.status_mut() = status;
            inner.headers_mut().append("x-contract", HeaderValue::from_static("one"));
            inner.headers_mut().append("x-contract", HeaderValue::from_static("two"));
            inner.extensions_mut().insert(Marker);

            let (mut outer, script) = self.made();
            let response = self.answered(RESPONSE, &mut outer, &script, inner).await;
            keeps(RESPONSE, response.status() == status, "the status is another");
            keeps(RESPONSE, values(response.headers()) == ["one", "two"], "a header's values are others");
            keeps(RESPONSE, response.extensions().get::<Marker>().is_some(), "an extension is lost");
            let mut read = Read::new(response);
            for data in ["one", "two"] {
                keeps(
                    RESPONSE,
                    read.data(RESPONSE).await.as_deref() == Some(data.as_bytes()),
                    "a frame is another",
                );
            }
            let end = match ready(RESPONSE, "the trailers", |_| read.poll()).await {
                Some(Ok(frame)) => frame.into_trailers().ok(),
                Some(Err(_)) | None => None,
            };
            keeps(RESPONSE, end == Some(trailers), "the trailers are lost");
            keeps(RESPONSE, read.data(RESPONSE).await.is_none(), "something comes after the trailers");
        }
    }

    async fn size(&self) {
        let (mut outer, script) = self.made();
        let body = ScriptedBody::new([Step::data("twelve "), Step::data("bytes")]).exact_size();
        let response = self.answered(SIZE, &mut outer, &script, Response::new(body)).await;
        let mut read = Read::new(response);
        for (left, last) in [(12, false), (5, false), (0, true)] {
            let said = read.body.size_hint().exact();
            keeps(SIZE, said == Some(left), &format!("size_hint is {said:?} where {left} bytes are left"));
            let ended = read.body.is_end_stream();
            keeps(SIZE, ended == last, &format!("is_end_stream is {ended} where {left} bytes are left"));
            if !last {
                read.data(SIZE).await;
            }
        }

        let response = self.answered(SIZE, &mut outer, &script, Response::default()).await;
        keeps(SIZE, response.body().is_end_stream(), "an empty body is not at its end at once");

        let body = ScriptedBody::new([Step::data("unknown")]);
        let response = self.answered(SIZE, &mut outer, &script, Response::new(body)).await;
        keeps(SIZE, response.body().size_hint().exact().is_none(), "a size is made up");
    }

    async fn error(&self) {
        let (mut outer, script) = self.made();
        let mut ride = Ride::start(ERROR, &mut outer).await;
        ride.arrive(ERROR, &script).await.fail();
        if let Ok(response) = ready(ERROR, "the error", |_| ride.poll()).await {
            broken(ERROR, &format!("it became a response of {}", response.status()));
        }

        let body = ScriptedBody::new([Step::data("one"), Step::error()]);
        let response = self.answered(ERROR, &mut outer, &script, Response::new(body)).await;
        let mut read = Read::new(response);
        read.data(ERROR).await;
        match ready(ERROR, "the body's error", |_| read.poll()).await {
            Some(Err(error)) => {
                keeps(ERROR, stems_from_refused(&*error.into()), "the body's error is another");
            }
            Some(Ok(_)) | None => broken(ERROR, "the body's error is lost"),
        }
    }

    async fn wakes(&self) {
        let (mut outer, script) = self.made();
        let mut ride = Ride::start(WAKE, &mut outer).await;
        let exchange = ride.arrive(WAKE, &script).await;
        // An exchange that was just made may owe a wake of its own; this poll is the one that waits for the answer.
        keeps(WAKE, ride.poll().is_pending(), "there is a response before the service has one");
        let before = ride.wakes.count();
        let body = ScriptedBody::new([Step::pending(), Step::data("late")]);
        let handle = body.handle();
        exchange.respond(Response::new(body));
        let woken = eventually(|| (ride.wakes.count() > before).then_some(())).await;
        keeps(WAKE, woken.is_some(), "the future's is lost");

        let mut read = Read::new(ride.response(WAKE).await);
        keeps(WAKE, read.poll().is_pending(), "there is a frame before the service has one");
        let before = read.wakes.count();
        handle.wake();
        let woken = eventually(|| (read.wakes.count() > before).then_some(())).await;
        keeps(WAKE, woken.is_some(), "the body's is lost");
    }

    async fn independence(&self) {
        let (mut one, script_one) = self.made();
        let (mut other, script_other) = self.made();
        let mut clone = one.clone();
        for _ in 0..2 {
            self.serves(INDEPENDENT, &mut one, &script_one).await;
            self.serves(INDEPENDENT, &mut other, &script_other).await;
            self.serves(INDEPENDENT, &mut clone, &script_one).await;
        }
        drop(one);
        self.serves(INDEPENDENT, &mut clone, &script_one).await;

        let mut ride = Ride::start(INDEPENDENT, &mut clone).await;
        drop(clone);
        ride.arrive(INDEPENDENT, &script_one).await.ok();
        drop(ride.response(INDEPENDENT).await);
        drop(ride);
        self.serves(INDEPENDENT, &mut other, &script_other).await;
        self.kept_tower(INDEPENDENT, &script_one);
        self.kept_tower(INDEPENDENT, &script_other);
    }

    async fn release(&self, point: Point) {
        let (mut outer, script) = self.made();
        let mut ride = Ride::start(RELEASE, &mut outer).await;
        let request_body = ride.request_body.clone();
        let mut response_body = None;
        let exchange = match point {
            Point::BeforeFirstPoll => {
                drop(ride);
                script.try_next_call()
            }
            Point::WhilePending => {
                let exchange = ride.arrive(RELEASE, &script).await;
                drop(ride);
                Some(exchange)
            }
            Point::AfterFailure => {
                let exchange = ride.arrive(RELEASE, &script).await;
                exchange.fail();
                let failed = ready(RELEASE, "the error", |_| ride.poll()).await;
                keeps(RELEASE, failed.is_err(), "the error is lost");
                drop(ride);
                Some(exchange)
            }
            Point::BeforeBody | Point::InMiddleOfBody | Point::AfterBody | Point::AfterFailedBody => {
                let exchange = ride.arrive(RELEASE, &script).await;
                let last = match point {
                    Point::InMiddleOfBody => Step::pending(),
                    Point::AfterFailedBody => Step::error(),
                    _ => Step::data("two"),
                };
                let body = ScriptedBody::new([Step::data("one"), last]);
                response_body = Some(body.handle());
                exchange.respond(Response::new(body));
                let response = ride.response(RELEASE).await;
                drop(ride);
                self.give_up(point, response).await;
                Some(exchange)
            }
        };
        let released = || {
            exchange.as_ref().is_none_or(Exchange::is_dropped)
                && script.live_futures() == 0
                && request_body.is_dropped()
                && response_body.as_ref().is_none_or(BodyHandle::is_dropped)
        };
        let released = eventually(|| released().then_some(())).await;
        keeps(RELEASE, released.is_some(), &format!("something lives on, dropped {point:?}"));
        self.none_in_flight(RELEASE, &format!("{point:?}")).await;
        self.serves(RELEASE, &mut outer, &script).await;
    }

    async fn give_up(&self, point: Point, response: Response<<L::Service as Layered>::Body>) {
        let mut read = Read::new(response);
        match point {
            Point::InMiddleOfBody => {
                read.data(RELEASE).await;
                keeps(RELEASE, read.poll().is_pending(), "there is a frame before the service has one");
            }
            Point::AfterBody => while read.data(RELEASE).await.is_some() {},
            Point::AfterFailedBody => {
                read.data(RELEASE).await;
                let failed = ready(RELEASE, "the body's error", |_| read.poll()).await;
                keeps(RELEASE, matches!(failed, Some(Err(_))), "the body's error is lost");
            }
            _ => {}
        }
    }

    async fn panics(&self) {
        let (mut outer, script) = self.made();
        let mut ride = Ride::start(PANIC, &mut outer).await;
        let request_body = ride.request_body.clone();
        let exchange = ride.arrive(PANIC, &script).await;
        exchange.panic();
        // To answer it is the office of a layer that catches panics.
        if let Some(poll) = ride.poll_to_panic() {
            match poll {
                Poll::Ready(Ok(response)) if response.status() == StatusCode::INTERNAL_SERVER_ERROR => {}
                _ => broken(PANIC, "the service's is lost"),
            }
        }
        keeps(
            PANIC,
            exchange.is_dropped() && request_body.is_dropped(),
            "something lives on after the service's",
        );
        self.none_in_flight(PANIC, "after the service's").await;
        self.serves(PANIC, &mut outer, &script).await;

        let body = ScriptedBody::new([Step::panic()]);
        let handle = body.handle();
        let response = self.answered(PANIC, &mut outer, &script, Response::new(body)).await;
        let read = Read::new(response);
        keeps(PANIC, read.polls_to_failure(), "the body's is lost");
        keeps(PANIC, handle.is_dropped(), "something lives on after the body's");
        self.none_in_flight(PANIC, "after the body's").await;
        self.serves(PANIC, &mut outer, &script).await;
    }

    /// Sends one request and answers it.
    async fn answered(
        &self,
        rule: &str,
        outer: &mut L::Service,
        script: &Script,
        response: Response<ScriptedBody>,
    ) -> Response<<L::Service as Layered>::Body> {
        let mut ride = Ride::start(rule, outer).await;
        ride.arrive(rule, script).await.respond(response);
        ride.response(rule).await
    }

    /// Sends one request, answers it and reads the answer to its end.
    async fn serves(&self, rule: &str, outer: &mut L::Service, script: &Script) {
        let body = ScriptedBody::new([Step::data("served")]);
        let mut read = Read::new(self.answered(rule, outer, script, Response::new(body)).await);
        let served = read.data(rule).await;
        keeps(
            rule,
            served == Some(Bytes::from_static(b"served")),
            "a following request gets another's answer",
        );
        keeps(rule, read.data(rule).await.is_none(), "a following request's answer never ends");
        drop(read);
        self.none_in_flight(rule, "after a request that was served").await;
    }

    async fn none_in_flight(&self, rule: &str, when: &str) {
        let none = eventually(|| ((self.in_flight)() == 0).then_some(())).await;
        keeps(rule, none.is_some(), &format!("{} in flight where none is, {when}", (self.in_flight)()));
    }

    fn kept_tower(&self, rule: &str, script: &Script) {
        keeps(rule, script.violations().is_empty(), &script.violations().join(", "));
    }
}

#[derive(Clone, Copy)]
struct Marker;

fn stems_from_refused(error: &(dyn Error + 'static)) -> bool {
    error.is::<Refused>() || error.source().is_some_and(stems_from_refused)
}

fn values(headers: &HeaderMap) -> Vec<&str> {
    headers.get_all("x-contract").iter().filter_map(|value| value.to_str().ok()).collect()
}
