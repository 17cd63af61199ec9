//! One record a request, shared by all who hold it.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use macadam_core::{
    Criticality, Outcome, Protocol, Rejection, RequestContext, Route, Stage, Wire, context::TimerOwner,
};
use macadam_test::allocations;
use tokio::time::{Duration, Instant};

fn context() -> RequestContext {
    RequestContext::new(Instant::now(), None, Wire::of(&Request::new(())))
}

fn render(_: &Rejection, _: &Wire, _: Option<&RequestContext>) -> Response<Bytes> {
    Response::default()
}

#[tokio::test(start_paused = true)]
async fn the_first_layer_makes_it_and_the_next_ones_find_it() {
    let mut request = Request::put("/").version(Version::HTTP_2).body(()).unwrap();
    assert!(RequestContext::get(&request).is_none());
    let made = RequestContext::of(&mut request);
    let arrival = Instant::now();
    assert_eq!(made.arrival(), arrival);
    assert_eq!(made.peer(), None);
    assert_eq!((made.wire().method(), made.wire().version()), (&Method::PUT, Version::HTTP_2));
    assert_eq!(made.wire().protocol(), Protocol::Plain);

    tokio::time::advance(Duration::from_millis(1)).await;
    let found = RequestContext::of(&mut request);
    assert_eq!(found.arrival(), arrival);
    made.set_stage(Stage::Handling);
    assert_eq!(found.stage(), Stage::Handling);
    assert_eq!(RequestContext::get(&request).unwrap().stage(), Stage::Handling);
    // The request's own clone is the same request.
    assert_eq!(RequestContext::get(&request.clone()).unwrap().stage(), Stage::Handling);
}

#[test]
fn who_keeps_it_keeps_the_same_one_whether_first_or_last() {
    let mut request = Request::new(());
    RequestContext::ensure(&mut request);
    RequestContext::get(&request).unwrap().set_request_id("id").unwrap();
    RequestContext::ensure(&mut request);
    let mut again = request.clone();
    let mut keep = |again_too: bool| {
        let request = if again_too { &mut again } else { &mut request };
        RequestContext::get_mut(request).unwrap().keep()
    };
    let kept = [keep(false), keep(true), keep(false), keep(true)];
    drop((request, again));
    assert!(kept[0].settle(Outcome::Finished));
    for context in &kept {
        assert_eq!(context.request_id().unwrap().as_str(), "id");
        assert_eq!(context.outcome(), Outcome::Finished);
    }
}

#[test]
fn it_starts_with_nothing_known() {
    let context = context();
    assert_eq!(context.request_id(), None);
    assert_eq!(context.route(), None);
    assert!(context.renderer().is_none());
    assert_eq!(context.body_limit(), u64::MAX);
    assert!(!context.is_body_too_large());
    assert_eq!(context.criticality(), Criticality::Critical);
    assert_eq!(context.stage(), Stage::Received);
    assert_eq!(context.outcome(), Outcome::Pending);
    assert_eq!(context.deadline(), None);
}

#[test]
fn the_first_id_and_the_first_route_stay() {
    let context = context();
    context.set_request_id("first").unwrap();
    context.set_request_id("second").unwrap();
    assert_eq!(context.request_id().unwrap().as_str(), "first");
    context.set_route(Route::intern("/outer/{*rest}"));
    context.set_route(Route::intern("/inner"));
    assert_eq!(context.route().unwrap().as_str(), "/outer/{*rest}");
}

#[test]
fn the_first_outcome_stays() {
    let context = context();
    assert!(context.settle(Outcome::TimedOut));
    assert!(!context.settle(Outcome::Cancelled));
    assert!(!context.settle(Outcome::TimedOut));
    assert_eq!(context.outcome(), Outcome::TimedOut);
}

#[test]
fn one_of_many_threads_settles_and_is_told_so() {
    let outcomes = [Outcome::Finished, Outcome::Cancelled, Outcome::TimedOut, Outcome::CutByShutdown];
    for _ in 0..200 {
        let context = context();
        let start = Barrier::new(outcomes.len());
        let settled: Vec<_> = thread::scope(|scope| {
            let threads = outcomes.map(|outcome| {
                let (context, start) = (&context, &start);
                scope.spawn(move || {
                    start.wait();
                    context.settle(outcome).then_some(outcome)
                })
            });
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(settled, [context.outcome()]);
    }
}

#[test]
fn what_moves_moves_for_everyone() {
    let context = context();
    let other = context.clone();
    context.set_body_limit(7);
    context.set_body_too_large();
    context.set_criticality(Criticality::Sheddable);
    assert_eq!(other.body_limit(), 7);
    assert!(other.is_body_too_large());
    assert_eq!(other.criticality(), Criticality::Sheddable);
}

#[tokio::test(start_paused = true)]
async fn a_fork_starts_from_what_is_known_and_shares_no_later_change() {
    let peer = "[::1]:80".parse().unwrap();
    let context = RequestContext::new(Instant::now(), Some(peer), Wire::of(&Request::new(())));
    let deadline = Instant::now() + Duration::from_secs(3);
    context.set_request_id("one").unwrap();
    context.set_route(Route::intern("/fork"));
    context.set_renderer(Arc::new(render));
    context.set_body_limit(7);
    context.set_criticality(Criticality::SheddablePlus);
    context.set_deadline(Some(deadline));
    context.set_stage(Stage::Handling);
    context.settle(Outcome::Failed);

    let fork = context.fork();
    assert_eq!(fork.arrival(), context.arrival());
    assert_eq!(fork.peer(), Some(peer));
    assert_eq!(fork.wire(), context.wire());
    assert_eq!(fork.request_id().unwrap().as_str(), "one");
    assert_eq!(fork.route(), context.route());
    assert!(fork.renderer().is_some());
    assert_eq!(fork.body_limit(), 7);
    assert_eq!(fork.criticality(), Criticality::SheddablePlus);
    assert_eq!(fork.deadline(), Some(deadline));
    assert_eq!((fork.stage(), fork.outcome()), (Stage::Received, Outcome::Pending));

    fork.settle(Outcome::Finished);
    fork.set_body_limit(8);
    fork.set_criticality(Criticality::CriticalPlus);
    fork.set_deadline(None);
    assert_eq!(context.outcome(), Outcome::Failed);
    assert_eq!(context.body_limit(), 7);
    assert_eq!(context.criticality(), Criticality::SheddablePlus);
    assert_eq!(context.deadline(), Some(deadline));
}

#[tokio::test(start_paused = true)]
async fn a_fork_of_a_request_whose_timer_is_owned_owns_none() {
    let context = context();
    let owner = context.own_timer();
    assert!(owner.is_some());
    assert!(context.own_timer().is_none());
    let fork = context.fork();
    assert_eq!(
        fork.own_timer().as_ref().map(TimerOwner::context).map(RequestContext::outcome),
        Some(Outcome::Pending)
    );
}

#[test]
fn it_costs_two_allocations_beyond_the_extension_maps_own() {
    #[derive(Clone)]
    struct Nothing;

    // The map and its table, which the first extension of any request pays for.
    let mut request = Request::new(());
    let of_the_map = allocations(|| request.extensions_mut().insert(Nothing));
    let mut request = Request::new(());
    assert_eq!(allocations(|| RequestContext::of(&mut request)), of_the_map + 2);
    assert_eq!(allocations(|| RequestContext::of(&mut request)), 0);

    let mut request = Request::new(());
    request.extensions_mut().insert(Nothing);
    assert_eq!(allocations(|| RequestContext::of(&mut request)), 2);
}

#[test]
fn reading_and_settling_it_allocates_nothing() {
    let context = context();
    let allocated = allocations(|| {
        let other = context.clone();
        other.set_stage(Stage::Responding);
        other.set_deadline(Some(Instant::now()));
        other.settle(Outcome::Finished);
        (other.outcome(), other.deadline(), other.wake_at())
    });
    assert_eq!(allocated, 0);
}

#[test]
fn its_debug_output_names_the_request_and_ends() {
    let context = context();
    context.set_request_id("one").unwrap();
    let text = format!("{context:?}");
    assert!(text.contains("one") && text.contains("Pending"), "{text}");
}
