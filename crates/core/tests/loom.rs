//! Every interleaving of a few threads, by the model checker:
//!
//! `RUSTFLAGS="--cfg macadam_loom" CARGO_TARGET_DIR=target/loom cargo test --release -p macadam-core --test loom`
//!
//! Modelled are the atomics and locks that this crate owns, with their memory orders. `tokio::sync::Notify` is not:
//! each of its calls is one step that no other thread divides, which is what it promises, and what is under test here
//! is our order of steps around it. `atomic_waker` is replaced by a lock around a waker, which promises the same.

#![cfg(macadam_loom)]

use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Wake, Waker},
};

use http::Request;
use loom::{
    future::block_on,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    thread,
};
use macadam_core::{InFlight, Outcome, Phase, PhaseOwner, RequestContext, Wire};
use tokio::time::{Duration, Instant};

fn context(arrival: Instant) -> RequestContext {
    RequestContext::new(arrival, None, Wire::of(&Request::new(())))
}

#[test]
fn drained_never_misses_the_last_removal() {
    loom::model(|| {
        let table = InFlight::with_shards(2);
        // Of two threads, and so in two shards.
        let here = table.enter(None);
        let there = thread::spawn({
            let table = table.clone();
            move || drop(table.enter(None))
        });
        let remover = thread::spawn(move || drop(here));
        // A wake that is missed is a deadlock, which the checker reports.
        block_on(table.drained());
        there.join().unwrap();
        remover.join().unwrap();
        assert!(table.is_empty());
    });
}

#[test]
fn drained_is_not_fooled_by_one_who_comes_before_another_leaves() {
    loom::model(|| {
        let table = InFlight::with_shards(2);
        // The first thread that enters takes the first shard, the second one the second.
        drop(table.enter(None));
        let earlier = thread::spawn({
            let table = table.clone();
            move || table.enter(None)
        });
        let earlier = earlier.join().unwrap();
        let looker = thread::spawn({
            let table = table.clone();
            move || pin!(table.drained()).poll(&mut Context::from_waker(Waker::noop())).is_ready()
        });
        // At no moment is none in flight.
        let later = table.enter(None);
        drop(earlier);
        assert!(!looker.join().unwrap());
        drop(later);
    });
}

#[test]
fn who_sees_a_phase_sees_its_deadline() {
    let start = Instant::now();
    let deadline =
        move |phase: Phase| (phase > Phase::Starting).then(|| start + Duration::from_secs(phase as u64));
    loom::model(move || {
        let owner = PhaseOwner::new();
        let watch = owner.watch();
        let mover = thread::spawn(move || {
            for phase in [Phase::LameDuck, Phase::Draining] {
                owner.advance(phase, deadline(phase));
            }
        });
        let before = watch.current();
        let seen = watch.deadline();
        let after = watch.current();
        assert!(before <= after);
        // Between the two looks; not later, which it would be if the next phase's were shown before its time.
        assert!(deadline(before) <= seen && seen <= deadline(after), "{before} {seen:?} {after}");
        mover.join().unwrap();
    });
}

#[test]
fn a_phase_never_goes_back_under_two_who_advance_it() {
    loom::model(|| {
        let owner = Arc::new(PhaseOwner::new());
        let watch = owner.watch();
        let movers = [Phase::LameDuck, Phase::Draining].map(|phase| {
            let owner = Arc::clone(&owner);
            thread::spawn(move || owner.advance(phase, None))
        });
        let (before, after) = (watch.current(), watch.current());
        assert!(before <= after);
        let [lame_duck, draining] = movers.map(|mover| mover.join().unwrap());
        assert!(draining);
        // The earlier phase was either reached before or skipped.
        assert!(lame_duck || before != Phase::LameDuck);
        assert_eq!(watch.current(), Phase::Draining);
    });
}

#[test]
fn settling_has_exactly_one_winner() {
    let arrival = Instant::now();
    loom::model(move || {
        let context = context(arrival);
        let rivals = [Outcome::TimedOut, Outcome::Cancelled].map(|outcome| {
            let context = context.clone();
            thread::spawn(move || context.settle(outcome).then_some(outcome))
        });
        let here = context.settle(Outcome::Finished).then_some(Outcome::Finished);
        let [one, other] = rivals.map(|rival| rival.join().unwrap());
        let winners: Vec<_> = [here, one, other].into_iter().flatten().collect();
        assert_eq!(winners, [context.outcome()]);
    });
}

/// Remembers that it was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

#[test]
fn a_deadline_moved_while_the_timers_owner_parks_is_seen_or_wakes_it() {
    let arrival = Instant::now();
    let (far, near) = (arrival + Duration::from_secs(9), arrival + Duration::from_secs(1));
    loom::model(move || {
        let context = context(arrival);
        context.set_deadline(Some(far));
        let owner = context.own_timer().expect("nobody else owns it");
        let handler = thread::spawn({
            let context = context.clone();
            move || context.set_deadline(Some(near))
        });
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let parked = owner.park(&Context::from_waker(&Waker::from(Arc::clone(&woken))));
        handler.join().unwrap();
        assert!(parked == Some(near) || woken.0.load(SeqCst), "slept until {parked:?}");
    });
}

#[test]
fn a_poll_asked_for_while_the_timers_owner_parks_is_seen_or_wakes_it() {
    let arrival = Instant::now();
    let near = arrival + Duration::from_secs(1);
    loom::model(move || {
        let context = context(arrival);
        let owner = context.own_timer().expect("nobody else owns it");
        let inner = thread::spawn({
            let context = context.clone();
            move || context.ask_wake(near)
        });
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let parked = owner.park(&Context::from_waker(&Waker::from(Arc::clone(&woken))));
        let asked = inner.join().unwrap();
        assert!(asked.is_some());
        assert!(parked == Some(near) || woken.0.load(SeqCst), "slept until {parked:?}");
    });
}
