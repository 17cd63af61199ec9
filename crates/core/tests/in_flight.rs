//! The table of requests in flight counts each once, names it, and knows when it is empty.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::sync_channel,
    thread,
};

use http::Request;
use macadam_core::{InFlight, InFlightGuard, RequestContext, Wire};
use macadam_test::allocations;
use tokio::time::{Duration, Instant, timeout};

fn named(id: &'static str) -> RequestContext {
    let context = RequestContext::new(Instant::now(), None, Wire::of(&Request::new(())));
    context.set_request_id(id).expect("it is an id");
    context
}

fn names(table: &InFlight) -> Vec<Option<String>> {
    let mut names = Vec::new();
    table.for_each(|context| {
        names.push(context.and_then(RequestContext::request_id).map(|id| id.to_string()));
    });
    names.sort();
    names
}

/// A guard that comes from another thread.
fn entered_elsewhere(table: &InFlight, context: Option<RequestContext>) -> InFlightGuard {
    thread::scope(|scope| scope.spawn(|| table.enter(context)).join().expect("entering does not panic"))
}

#[test]
fn a_request_is_counted_from_its_entry_to_the_drop_of_its_guard() {
    let table = InFlight::new();
    assert!(table.is_empty());
    let guards: Vec<_> = (1..=5)
        .map(|count| {
            let guard = entered_elsewhere(&table, None);
            assert_eq!(table.len(), count);
            guard
        })
        .collect();
    for (guard, left) in guards.into_iter().zip((0..5).rev()) {
        thread::scope(|scope| scope.spawn(|| drop(guard)).join().unwrap());
        assert_eq!(table.len(), left);
    }
}

#[test]
fn clones_are_one_table_and_a_guard_outlives_them_all() {
    let table = InFlight::new();
    let guard = table.clone().enter(None);
    assert_eq!(table.len(), 1);
    drop(table);
    drop(guard);
}

#[test]
fn a_panic_gives_the_place_back() {
    let table = InFlight::new();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = table.enter(None);
        panic!("the handler panics");
    }));
    assert!(panicked.is_err());
    assert!(table.is_empty());
}

#[test]
fn for_each_sees_every_request_and_its_context() {
    let table = InFlight::new();
    let _one = entered_elsewhere(&table, Some(named("one")));
    let two = entered_elsewhere(&table, Some(named("two")));
    let _nameless = entered_elsewhere(&table, None);
    assert_eq!(names(&table), [None, Some("one".to_owned()), Some("two".to_owned())]);
    drop(two);
    assert_eq!(names(&table), [None, Some("one".to_owned())]);
}

#[test]
fn for_each_sees_each_of_many_once_though_others_come_and_go_meanwhile() {
    let table = InFlight::new();
    let staying: Vec<_> = (0..1_000).map(|_| table.enter(Some(named("stays")))).collect();
    let mut passing = None;
    let mut seen = 0;
    table.for_each(|context| {
        seen += usize::from(context.is_some());
        passing = Some(table.enter(None));
    });
    assert_eq!(seen, staying.len());
    drop(passing);
}

#[test]
fn for_each_may_use_the_table() {
    let table = InFlight::new();
    let first = table.enter(Some(named("first")));
    let mut place = Some(first);
    let mut entered = Vec::new();
    table.for_each(|_| {
        entered.push(table.enter(None));
        drop(place.take());
    });
    assert_eq!(table.len(), entered.len());
}

#[tokio::test(start_paused = true)]
async fn an_empty_table_is_drained() {
    timeout(Duration::ZERO, InFlight::new().drained()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn drained_waits_for_the_last_request_also_for_one_that_came_meanwhile() {
    let table = InFlight::new();
    let first = entered_elsewhere(&table, None);
    let waiting = tokio::spawn({
        let table = table.clone();
        async move { table.drained().await }
    });
    let still_waits = async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        !waiting.is_finished()
    };
    assert!(still_waits().await);
    let second = entered_elsewhere(&table, None);
    drop(first);
    assert!(still_waits().await);
    drop(second);
    assert!(!still_waits().await);
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_are_woken_and_one_who_gave_up_takes_nothing_along() {
    let table = InFlight::new();
    let guard = table.enter(None);
    timeout(Duration::from_secs(1), table.drained()).await.unwrap_err();
    let wait = || {
        let table = table.clone();
        tokio::spawn(async move { table.drained().await })
    };
    let (one, other) = (wait(), wait());
    tokio::task::yield_now().await;
    drop(guard);
    one.await.unwrap();
    other.await.unwrap();
    let _again = table.enter(None);
    timeout(Duration::from_secs(1), table.drained()).await.unwrap_err();
}

#[test]
fn a_place_is_entered_again_and_again_without_an_allocation() {
    let table = InFlight::new();
    let (one, other) = (named("one"), named("other"));
    let mut place = table.place();
    assert!(table.is_empty(), "there is nobody in it yet");
    let allocated = allocations(|| {
        for _ in 0..10 {
            place.enter(Some(one.clone()));
            place.enter(Some(other.clone()));
            place.leave();
            place.leave();
            place.enter(None);
        }
    });
    assert_eq!(allocated, 0);
    assert_eq!(names(&table), [None]);
    place.enter(Some(one));
    assert_eq!(names(&table), [Some("one".to_owned())]);
    place.leave();
    assert!(table.is_empty());
}

#[test]
fn no_place_is_lost_or_given_twice_under_many_threads() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 5_000;
    let table = InFlight::new();
    // Guards wander to the next thread before they are dropped, so that places are left from anywhere.
    let (mut senders, receivers): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| sync_channel(64)).unzip();
    senders.rotate_left(1);
    thread::scope(|scope| {
        for (sender, received) in senders.into_iter().zip(receivers) {
            let table = &table;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let guard = table.enter(None);
                    if round % 3 == 0 {
                        // A full neighbour gets nothing.
                        let _ = sender.try_send(guard);
                    }
                    if round % 7 == 0 {
                        received.try_iter().for_each(drop);
                    }
                    assert!(table.len() <= THREADS * 66);
                }
                drop(sender);
                received.into_iter().for_each(drop);
            });
        }
    });
    assert_eq!(table.len(), 0);
    assert_eq!(names(&table), []);
}

#[test]
fn who_is_looked_at_while_leaving_leaves_and_nobody_is_seen_who_is_not_there() {
    const ROUNDS: usize = 5_000;
    let table = InFlight::new();
    let (stays, passes) = (named("stays"), named("passes"));
    let _stays = table.enter(Some(stays));
    thread::scope(|scope| {
        let passing = scope.spawn(|| {
            let mut place = table.place();
            for _ in 0..ROUNDS {
                place.enter(Some(passes.clone()));
                place.leave();
                assert_eq!(table.len(), 1);
            }
        });
        while !passing.is_finished() {
            let names = names(&table);
            let [passes @ .., stays] = names.as_slice() else { panic!("one is always there") };
            assert_eq!(stays.as_deref(), Some("stays"));
            assert!(passes.iter().all(|name| name.as_deref() == Some("passes")), "{names:?}");
        }
    });
    assert_eq!(names(&table), [Some("stays".to_owned())]);
}
