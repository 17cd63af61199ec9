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

/// A guard from a thread of its own, and so most likely from another shard.
fn entered_elsewhere(table: &InFlight, context: Option<RequestContext>) -> InFlightGuard {
    thread::scope(|scope| scope.spawn(|| table.enter(context)).join().expect("entering does not panic"))
}

#[test]
fn a_request_is_counted_from_its_entry_to_the_drop_of_its_guard() {
    let table = InFlight::with_shards(3);
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
    let table = InFlight::with_shards(1);
    let guard = table.clone().enter(None);
    assert_eq!(table.len(), 1);
    drop(table);
    drop(guard);
}

#[test]
fn no_shards_are_one() {
    let table = InFlight::with_shards(0);
    let _guard = table.enter(None);
    assert_eq!(table.len(), 1);
}

#[test]
fn a_panic_gives_the_place_back() {
    let table = InFlight::with_shards(1);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = table.enter(None);
        panic!("the handler panics");
    }));
    assert!(panicked.is_err());
    assert!(table.is_empty());
}

#[test]
fn for_each_sees_every_request_and_its_context() {
    let table = InFlight::with_shards(2);
    let _one = entered_elsewhere(&table, Some(named("one")));
    let two = entered_elsewhere(&table, Some(named("two")));
    let _nameless = entered_elsewhere(&table, None);
    assert_eq!(names(&table), [None, Some("one".to_owned()), Some("two".to_owned())]);
    drop(two);
    assert_eq!(names(&table), [None, Some("one".to_owned())]);
}

#[test]
fn for_each_sees_each_of_many_once_though_others_come_and_go_meanwhile() {
    let table = InFlight::with_shards(1);
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
    let table = InFlight::with_shards(1);
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
    let table = InFlight::with_shards(4);
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
    let table = InFlight::with_shards(2);
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
fn a_request_allocates_nothing_once_the_table_has_grown_to_its_high_water_mark() {
    let table = InFlight::with_shards(2);
    let context = named("one");
    let fill = || (0..64).map(|_| table.enter(Some(context.clone()))).collect::<Vec<_>>();
    drop(fill());
    let mut guards = Vec::with_capacity(64);
    let allocated = allocations(|| {
        for _ in 0..10 {
            guards.extend((0..64).map(|_| table.enter(Some(context.clone()))));
            guards.clear();
        }
    });
    assert_eq!(allocated, 0);
}

#[test]
fn no_place_is_lost_or_given_twice_under_many_threads() {
    const THREADS: usize = 4;
    const ROUNDS: usize = 5_000;
    let table = InFlight::with_shards(2);
    // Guards wander to the next thread before they are dropped, so that shards are left from anywhere.
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
