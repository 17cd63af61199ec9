//! Which request the running code works for.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Waker},
};

use http::Request;
use macadam_core::{RequestContext, Wire, context::InContext};
use macadam_test::allocations;
use tokio::{task::yield_now, time::Instant};

fn context(id: &str) -> RequestContext {
    let context = RequestContext::new(Instant::now(), None, Wire::of(&Request::new(())));
    context.set_request_id(id).expect("it is an id");
    context
}

/// The id of the request that is current.
fn current() -> Option<String> {
    Some(RequestContext::current()?.request_id()?.to_string())
}

#[tokio::test]
async fn a_context_is_current_inside_its_scope_at_every_poll_and_nowhere_else() {
    assert_eq!(current(), None);
    let inside = context("outer").scope(async {
        assert_eq!(current().as_deref(), Some("outer"));
        context("inner").scope(async { assert_eq!(current().as_deref(), Some("inner")) }).await;
        yield_now().await;
        assert_eq!(current().as_deref(), Some("outer"));
        InContext::without(async { assert_eq!(current(), None) }).await;
        assert_eq!(current().as_deref(), Some("outer"));
    });
    let watching = async {
        for _ in 0..3 {
            assert_eq!(current(), None, "between two polls of the scope");
            yield_now().await;
        }
    };
    tokio::join!(inside, watching);
    assert_eq!(current(), None);
}

#[tokio::test]
async fn two_requests_polled_in_turn_on_one_thread_each_see_their_own() {
    let request = |id: &'static str| {
        context(id).scope(async move {
            for _ in 0..3 {
                assert_eq!(current().as_deref(), Some(id));
                yield_now().await;
            }
        })
    };
    tokio::join!(request("one"), request("other"));
}

#[tokio::test]
async fn a_spawned_task_has_the_current_context_if_it_was_given_it() {
    let outer = async {
        let given = tokio::spawn(InContext::inherited(async { current() }));
        let plain = tokio::spawn(async { current() });
        (given.await.unwrap(), plain.await.unwrap())
    };
    assert_eq!(context("mine").scope(outer).await, (Some("mine".to_owned()), None));
}

#[test]
fn what_makes_the_future_runs_in_the_context_too() {
    let made = InContext::making(Some(context("mine")), || std::future::ready(current()));
    let ready = pin!(made).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(ready, std::task::Poll::Ready(Some("mine".to_owned())));
}

#[test]
fn a_panic_inside_leaves_no_context_behind() {
    let panics = context("mine").scope(async { panic!("as it was told to") });
    let poll = || pin!(panics).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    catch_unwind(AssertUnwindSafe(poll)).unwrap_err();
    assert_eq!(current(), None);
}

#[test]
fn a_scope_costs_no_allocation() {
    let (context, mut cx) = (context("mine"), Context::from_waker(Waker::noop()));
    let _warm = RequestContext::current();
    let count = allocations(|| {
        let found = pin!(context.scope(async { RequestContext::current().is_some() })).poll(&mut cx);
        assert!(found.is_ready());
    });
    assert_eq!(count, 0);
}
