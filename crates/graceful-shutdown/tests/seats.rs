//! A place that a request has left waits on its thread for the next one, and stays in its table.

use std::{
    convert::Infallible,
    future::{Pending, pending},
    thread,
};

use http::{Request, Response};
use macadam_core::{InFlight, PhaseOwner, RequestContext};
use macadam_graceful_shutdown::DrainLayer;
use tower::{Layer, Service, service_fn};

/// A service whose requests are in flight in `table` until they are dropped.
fn service(table: &InFlight) -> impl Service<Request<()>, Future: Send> + use<> {
    let answer = |_| -> Pending<Result<Response<String>, Infallible>> { pending() };
    DrainLayer::new(table.clone(), PhaseOwner::new().watch()).layer(service_fn(answer))
}

fn named(id: &'static str) -> Request<()> {
    let mut request = Request::new(());
    RequestContext::of(&mut request).set_request_id(id).expect("it is an id");
    request
}

fn names(table: &InFlight) -> Vec<String> {
    let mut names = Vec::new();
    table.for_each(|context| {
        names.extend(context.and_then(RequestContext::request_id).map(|id| id.to_string()));
    });
    names.sort();
    names
}

#[test]
fn services_that_share_a_thread_keep_their_requests_apart() {
    let (one, other) = (InFlight::new(), InFlight::new());
    let (mut of_one, mut of_other) = (service(&one), service(&other));
    for _ in 0..3 {
        let first = of_one.call(named("first"));
        let second = of_other.call(named("second"));
        assert_eq!((names(&one), names(&other)), (vec!["first".to_owned()], vec!["second".to_owned()]));
        // Left in either order, so that each finds the place of the other first.
        drop((second, first));
        assert!(one.is_empty() && other.is_empty());
        drop((of_one.call(named("first")), of_other.call(named("second"))));
        assert!(one.is_empty() && other.is_empty());
    }
}

#[test]
fn a_request_that_ends_on_another_thread_leaves_its_table() {
    let table = InFlight::new();
    let mut service = service(&table);
    for _ in 0..3 {
        let (one, other) = (service.call(named("one")), service.call(named("other")));
        thread::scope(|scope| scope.spawn(|| drop(one)).join().expect("a drop does not panic"));
        assert_eq!(names(&table), ["other"]);
        drop(other);
        assert!(table.is_empty());
    }
}

#[test]
fn more_requests_than_a_thread_keeps_places_for_are_all_counted_and_all_leave() {
    let table = InFlight::new();
    let mut service = service(&table);
    for _ in 0..2 {
        let requests: Vec<_> = (0..1000).map(|_| service.call(named("one"))).collect();
        assert_eq!((table.len(), names(&table).len()), (1000, 1000));
        drop(requests);
        assert!(table.is_empty());
    }
}
