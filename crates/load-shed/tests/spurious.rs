//! Nobody is refused, or made to wait, while a slot is free: ten million requests, half of each kind.
//!
//! They are calls and polls without a runtime's help, so that a debug build makes them in seconds. What would refuse one
//! of them is chance, in an interleaving or in a count, and chance has to be asked often.

use std::{
    convert::Infallible,
    future::{Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    thread,
};

use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::Empty;
use macadam_load_shed::{LoadShed, LoadShedLayer};
use tower::{Layer, Service, service_fn, util::ServiceFn};

const OF_EACH_KIND: u32 = 5_000_000;

type Answer = Ready<Result<Response<Empty<bytes::Bytes>>, Infallible>>;

/// Answers at once.
fn answer(_: Request<()>) -> Answer {
    ready(Ok(Response::new(Empty::new())))
}

type Bare = ServiceFn<fn(Request<()>) -> Answer>;

fn bare() -> Bare {
    service_fn(answer)
}

/// Whether a request is answered in the poll in which it comes, and by the service.
fn is_served_at_once(service: &mut LoadShed<Bare>) -> bool {
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(Service::<Request<()>>::poll_ready(service, cx).is_ready());
    let Poll::Ready(Ok(response)) = pin!(service.call(Request::new(()))).poll(cx) else { return false };
    response.status() == 200
}

/// Two threads, two slots and no queue: when the one asks, the other holds one, takes it or gives it back.
#[test]
fn a_slot_that_is_free_is_given_whatever_the_other_thread_does() {
    let layer = LoadShedLayer::new(2).unwrap().queue(0);
    let ask = || {
        let mut service = layer.layer(bare());
        (0..OF_EACH_KIND / 2).filter(|_| !is_served_at_once(&mut service)).count()
    };
    let refused =
        thread::scope(|scope| [scope.spawn(ask), scope.spawn(ask)].map(|asks| asks.join().unwrap()));
    assert_eq!(refused, [0, 0]);
}

/// tokio lets a task poll its own resources so many times, and says `Pending` then whatever they have: a layer that asks
/// a semaphore of tokio's takes that for a full house.
#[tokio::test]
async fn a_task_that_has_spent_its_budget_is_admitted_all_the_same() {
    let mut service = LoadShedLayer::adaptive().layer(bare());
    let semaphore = tokio::sync::Semaphore::new(10);
    while semaphore.acquire().now_or_never().is_some() {}
    assert_eq!(semaphore.available_permits(), 10, "there is room, and the semaphore says that there is not");
    let refused = (0..OF_EACH_KIND).filter(|_| !is_served_at_once(&mut service)).count();
    assert_eq!(refused, 0);
    assert!(semaphore.acquire().now_or_never().is_none(), "the budget was spent to the end");
}

/// The negative control: the same question, of a gate with a slot too few.
#[test]
fn one_slot_for_two_threads_is_noticed() {
    let layer = LoadShedLayer::new(1).unwrap().queue(0);
    let mut first = layer.layer(bare());
    let mut holds = pin!(first.call(Request::new(())));
    assert!(!is_served_at_once(&mut layer.layer(bare())));
    assert!(holds.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    assert!(is_served_at_once(&mut layer.layer(bare())));
}
