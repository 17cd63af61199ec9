//! Every interleaving of a few threads, by the model checker:
//!
//! `RUSTFLAGS="--cfg macadam_loom" CARGO_TARGET_DIR=target/loom cargo test --release -p macadam-core --test loom`
//!
//! Modelled are the atomics and locks that this crate owns, with their memory orders. `tokio::sync::Notify` is taken
//! at its word: each of its calls is one step, and these steps have an order. What is shown is that our own steps
//! around them are in the right one. `atomic_waker` is replaced by a lock around a waker, which promises the same.
//!
//! The checker moves a thread only ahead of the last access to what it touches. So the first thread writes and the
//! spawned one reads; the other way round a writer that looks before it writes would hide the reader.

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
        let table = InFlight::new();
        let here = table.enter(None);
        let waiter = thread::spawn({
            let table = table.clone();
            move || {
                // Of another thread, and so in another shard.
                drop(table.enter(None));
                // A wake that is missed is a deadlock, which the checker reports.
                block_on(table.drained());
            }
        });
        drop(here);
        waiter.join().unwrap();
        assert!(table.is_empty());
    });
}

#[test]
fn drained_is_not_fooled_by_one_who_comes_before_another_leaves() {
    loom::model(|| {
        let table = InFlight::new();
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
fn a_context_that_is_looked_at_while_its_request_leaves_leaves_with_it() {
    let arrival = Instant::now();
    loom::model(move || {
        let table = InFlight::new();
        let mut place = table.enter(Some(context(arrival)));
        let looker = thread::spawn({
            let table = table.clone();
            move || {
                let mut seen = 0;
                table.for_each(|_| seen += 1);
                seen
            }
        });
        place.leave();
        place.enter(None);
        assert!(looker.join().unwrap() <= 1);
        // What is put back too late would be taken for the next one's.
        let mut contexts = Vec::new();
        table.for_each(|context| contexts.push(context.is_some()));
        assert_eq!(contexts, [false]);
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
        let looker = thread::spawn(move || {
            let before = watch.current();
            let seen = watch.deadline();
            let after = watch.current();
            assert!(before <= after);
            // Not earlier than the first look, nor later than the second: no phase shows the next one's.
            assert!(deadline(before) <= seen && seen <= deadline(after), "{before} {seen:?} {after}");
        });
        for phase in [Phase::LameDuck, Phase::Draining] {
            owner.advance(phase, deadline(phase));
        }
        looker.join().unwrap();
    });
}

#[test]
fn a_phase_never_goes_back_under_two_who_advance_it() {
    loom::model(|| {
        let owner = Arc::new(PhaseOwner::new());
        let watch = owner.watch();
        let looker = thread::spawn({
            let watch = watch.clone();
            move || assert!(watch.current() <= watch.current())
        });
        let rival = thread::spawn({
            let owner = Arc::clone(&owner);
            move || owner.advance(Phase::LameDuck, None)
        });
        assert!(owner.advance(Phase::Draining, None));
        assert_eq!(watch.current(), Phase::Draining);
        rival.join().unwrap();
        looker.join().unwrap();
        assert_eq!(watch.current(), Phase::Draining);
    });
}

#[test]
fn reached_never_misses_the_phase() {
    loom::model(|| {
        let owner = PhaseOwner::new();
        let waiter = thread::spawn({
            let watch = owner.watch();
            move || block_on(watch.reached(Phase::LameDuck))
        });
        owner.advance(Phase::Draining, None);
        assert_eq!(waiter.join().unwrap(), Phase::Draining);
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

#[test]
fn of_two_ids_the_first_stays_and_nobody_sees_a_half_of_one() {
    // Two words each.
    const IDS: [&str; 2] = ["aaaaaaaaaaaa", "bbbbbbbbbbbb"];
    let arrival = Instant::now();
    loom::model(move || {
        let context = context(arrival);
        let looker = thread::spawn({
            let context = context.clone();
            move || context.request_id()
        });
        let rival = thread::spawn({
            let context = context.clone();
            move || {
                context.set_request_id(IDS[1]).unwrap();
                context.request_id()
            }
        });
        context.set_request_id(IDS[0]).unwrap();
        let stays = context.request_id().expect("it has been given one");
        assert!(IDS.contains(&stays.as_str()), "{stays}");
        assert_eq!(rival.join().unwrap(), Some(stays));
        if let Some(seen) = looker.join().unwrap() {
            assert_eq!(seen, stays);
        }
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
        context.announce_moves();
        let mut owner = context.own_timer().expect("nobody else owns it");
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let parking = thread::spawn({
            let waker = Waker::from(Arc::clone(&woken));
            move || (owner.park(&Context::from_waker(&waker)), owner)
        });
        context.set_deadline(Some(near));
        let (parked, _owner) = parking.join().unwrap();
        assert!(parked == Some(near) || woken.0.load(SeqCst), "slept until {parked:?}");
    });
}

#[test]
fn a_pause_while_the_timers_owner_parks_leaves_it_a_timer_or_a_wake() {
    let arrival = Instant::now();
    let near = arrival + Duration::from_secs(1);
    loom::model(move || {
        let context = context(arrival);
        let mut owner = context.own_timer().expect("nobody else owns it");
        owner.lower_timeout(near - arrival);
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let parking = thread::spawn({
            let waker = Waker::from(Arc::clone(&woken));
            move || (owner.park(&Context::from_waker(&waker)), owner)
        });
        context.pause_deadline();
        context.resume_deadline();
        let (parked, _owner) = parking.join().unwrap();
        assert!(parked.is_some() || woken.0.load(SeqCst), "slept for ever");
    });
}

#[test]
fn a_poll_asked_for_while_the_timers_owner_parks_is_seen_or_wakes_it() {
    let arrival = Instant::now();
    let near = arrival + Duration::from_secs(1);
    loom::model(move || {
        let context = context(arrival);
        context.announce_moves();
        let mut owner = context.own_timer().expect("nobody else owns it");
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let parking = thread::spawn({
            let waker = Waker::from(Arc::clone(&woken));
            move || (owner.park(&Context::from_waker(&waker)), owner)
        });
        let asked = context.ask_wake(near);
        assert!(asked.is_some());
        let (parked, _owner) = parking.join().unwrap();
        assert!(parked == Some(near) || woken.0.load(SeqCst), "slept until {parked:?}");
    });
}

#[test]
fn a_deadline_moved_while_the_timers_owner_lowers_it_is_where_one_of_them_put_it_last() {
    let arrival = Instant::now();
    let (far, near) = (Duration::from_secs(9), Duration::from_secs(1));
    for (moved, lowered, ends) in [(near, far, [near, near]), (far, near, [far, near])] {
        loom::model(move || {
            let context = context(arrival);
            let owner = context.own_timer().expect("nobody else owns it");
            let lowering = thread::spawn(move || owner.lower_timeout(lowered));
            context.set_deadline(Some(arrival + moved));
            lowering.join().unwrap();
            let end = context.deadline().expect("it has one") - arrival;
            assert!(ends.contains(&end), "{end:?} of {moved:?} and {lowered:?}");
        });
    }
}
