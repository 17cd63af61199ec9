//! A guard is held while the service makes its response, and handed on to the response's body.

mod witness;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, response};
use http_body_util::{BodyExt, Full};
use macadam_core::{BodyRule, End, Guard, GuardedBody, GuardedFuture};
use macadam_test::{Exchange, Refused, ScriptedBody, Step, service, service::ScriptedFuture};
use tower_service::Service;

use self::witness::Witness;

type Guarded<G> = GuardedFuture<ScriptedFuture, G>;
type Answered<G> = Poll<Result<Response<GuardedBody<ScriptedBody, G>>, Refused>>;

fn asked<G: Guard>(method: Method, guard: G) -> (Guarded<G>, Exchange) {
    let (mut service, script) = service();
    let mut request = Request::new(());
    *request.method_mut() = method;
    let readied = Service::<Request<()>>::poll_ready(&mut service, &mut Context::from_waker(Waker::noop()));
    assert_eq!(readied, Poll::Ready(Ok(())));
    let rule = BodyRule::of(request.method());
    let future = GuardedFuture::new(service.call(request), rule, guard);
    (future, script.try_next_call().expect("the service is called"))
}

fn polled<G: Guard>(future: &mut Guarded<G>) -> Answered<G> {
    // The scripted future is not pinned by anything: it may be moved between polls.
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn the_guard_lives_until_the_body_is_over() {
    let witness = Witness::default();
    let (mut future, exchange) = asked(Method::GET, witness.clone());
    assert!(polled(&mut future).is_pending());
    exchange.respond(Response::new(ScriptedBody::new([Step::data("a")])));
    let Poll::Ready(Ok(response)) = polled(&mut future) else { panic!("the response is there") };
    drop(future);
    assert_eq!(witness.ends(), []);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "a");
    assert_eq!(witness.ends(), [End::Finished]);
}

#[tokio::test]
async fn of_a_body_put_inside_the_guard_sees_the_end_and_not_that_of_the_services_own() {
    let witness = Witness::default();
    let (future, exchange) = asked(Method::GET, witness.clone());
    let response = Response::builder().header("to-be", "seen").body(ScriptedBody::new([Step::pending()]));
    exchange.respond(response.unwrap());
    let mut cx = Context::from_waker(Waker::noop());
    let answer = pin!(future).poll_map_inside(&mut cx, |guard, head, body| {
        assert!(guard.is_some());
        assert_eq!(head.headers["to-be"], "seen");
        drop(body);
        Full::<Bytes>::from("another")
    });
    let Poll::Ready(Ok(response)) = answer else { panic!("the response is there") };
    assert_eq!(witness.ends(), []);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "another");
    assert_eq!(witness.ends(), [End::Finished]);
}

#[test]
fn a_response_dropped_before_its_body_is_a_drop() {
    let witness = Witness::default();
    let (mut future, exchange) = asked(Method::GET, witness.clone());
    exchange.respond(Response::new(ScriptedBody::new([Step::data("a")])));
    drop(polled(&mut future));
    assert_eq!(witness.ends(), [End::Dropped]);
}

#[test]
fn the_answer_to_a_head_is_finished_with_its_head() {
    let witness = Witness::default();
    let (mut future, exchange) = asked(Method::HEAD, witness.clone());
    exchange.respond(Response::new(ScriptedBody::new([Step::data("a")])));
    let response = polled(&mut future);
    assert_eq!(witness.ends(), [End::Finished]);
    drop(response);
    assert_eq!(witness.ends(), [End::Finished]);
}

#[test]
fn the_services_error_passes_through_and_ends_the_guard_at_once() {
    let witness = Witness::default();
    let (mut future, exchange) = asked(Method::GET, witness.clone());
    exchange.fail();
    assert!(matches!(polled(&mut future), Poll::Ready(Err(Refused))));
    assert_eq!(witness.ends(), [End::Failed]);
    drop(future);
    assert_eq!(witness.ends(), [End::Failed]);
}

#[test]
fn a_future_dropped_before_its_first_poll_or_while_pending_is_a_drop() {
    for polls in [0, 1] {
        let witness = Witness::default();
        let (mut future, exchange) = asked(Method::GET, witness.clone());
        for _ in 0..polls {
            assert!(polled(&mut future).is_pending());
        }
        drop(future);
        assert!(exchange.is_dropped());
        assert_eq!(witness.ends(), [End::Dropped], "after {polls} polls");
    }
}

#[test]
fn a_service_that_panics_has_panicked_also_where_the_panic_is_caught_before_the_drop() {
    let witness = Witness::default();
    let (mut future, exchange) = asked(Method::GET, witness.clone());
    exchange.panic();
    assert!(catch_unwind(AssertUnwindSafe(move || drop(polled(&mut future)))).is_err());
    assert_eq!(witness.ends(), [End::Panicked]);

    let witness = Witness::default();
    let (mut future, exchange) = asked(Method::GET, witness.clone());
    exchange.panic();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(polled(&mut future)))).is_err());
    assert_eq!(witness.ends(), []);
    drop(future);
    assert_eq!(witness.ends(), [End::Panicked]);
}

#[test]
fn the_guard_sees_the_head_before_anyone_else_and_may_change_it() {
    struct Stamp;

    impl Guard for Stamp {
        fn head(&mut self, head: &mut response::Parts) {
            head.headers.insert("x-stamp", HeaderValue::from(head.status.as_u16()));
        }

        fn end(self, _: End) {}
    }

    let (mut future, exchange) = asked(Method::GET, Stamp);
    exchange.ok();
    let Poll::Ready(Ok(response)) = polled(&mut future) else { panic!("the response is there") };
    assert_eq!(response.headers()["x-stamp"], "200");
}

#[test]
fn what_a_dropped_future_holds_is_freed_before_the_guard_ends() {
    struct AtEnd<F>(F);

    impl<F: FnOnce()> Guard for AtEnd<F> {
        fn end(self, _: End) {
            (self.0)();
        }
    }

    let freed = std::sync::Mutex::new(None);
    let exchange = std::sync::OnceLock::<Exchange>::new();
    let at_end = AtEnd(|| *freed.lock().unwrap() = exchange.get().map(Exchange::is_dropped));
    let (future, asked) = asked(Method::GET, at_end);
    exchange.set(asked).unwrap();
    drop(future);
    assert_eq!(*freed.lock().unwrap(), Some(true));
}
