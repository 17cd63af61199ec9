//! Every interleaving of the gate's own files, as they are.
//!
//! `RUSTFLAGS="--cfg macadam_loom" CARGO_TARGET_DIR=target/loom cargo test --release -p macadam-load-shed --test loom`
#![cfg(macadam_loom)]
#![expect(dead_code, reason = "the models do not use all of the gate")]
#![expect(unreachable_pub, reason = "the permit is public in the crate whose file it is")]

#[path = "../src/bodies.rs"]
mod bodies;
#[path = "../src/budget.rs"]
mod budget;
#[path = "../src/errand.rs"]
mod errand;
#[path = "../src/gate.rs"]
mod gate;
#[path = "../src/permit.rs"]
mod permit;
#[path = "../src/queue.rs"]
mod queue;
#[path = "../src/reason.rs"]
mod reason;
#[path = "../src/shares.rs"]
mod shares;
#[path = "../src/sync.rs"]
mod sync;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use http::{Response, header::CONTENT_TYPE};
use loom::{
    future::block_on,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    thread,
};
use macadam_core::Guard;

use crate::{
    errand::{Errand, Running, State},
    gate::Gate,
    permit::{Admission, Permit, Ticket},
    queue::Claim,
};

fn ask(gate: &Arc<Gate>, capacity: u16) -> Admission {
    Admission::ask(gate, Claim::default(), capacity)
}

/// A slot for who has waited: in these queues nobody is refused.
fn granted(ticket: Ticket) -> Permit {
    block_on(ticket).expect("nobody is refused")
}

/// Waits until admitted. loom calls it a deadlock, and fails, if the wake-up is lost.
fn admitted(admission: Admission) -> Permit {
    match admission {
        Admission::Admitted(permit) => permit,
        Admission::Waiting(ticket) => granted(ticket),
        Admission::Refused(_) => panic!("there is a place for everybody in these queues"),
    }
}

fn waiting(admission: Admission) -> Ticket {
    match admission {
        Admission::Waiting(ticket) => ticket,
        _ => panic!("no slot is free"),
    }
}

fn is_empty(gate: &Gate) -> bool {
    let word = gate.look();
    (word.in_flight(), word.waiting()) == (0, 0)
}

fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    // Keeps three threads to seconds. A lost wake-up takes one switch in the wrong place, or two.
    builder.preemption_bound = Some(3);
    builder.check(check);
}

#[test]
fn a_release_wakes_who_enqueues_at_the_same_time() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(1));
        let held = admitted(ask(&gate, 1));
        let newcomer = thread::spawn({
            let gate = Arc::clone(&gate);
            move || drop(admitted(ask(&gate, 1)))
        });
        drop(held);
        newcomer.join().unwrap();
        assert!(is_empty(&gate));
    });
}

#[test]
fn a_raised_limit_wakes_who_enqueues_at_the_same_time() {
    loom::model(|| {
        let gate = Arc::new(Gate::new(1));
        let held = admitted(ask(&gate, 1));
        let newcomer = thread::spawn({
            let gate = Arc::clone(&gate);
            move || drop(admitted(ask(&gate, 1)))
        });
        gate.set_limit(2);
        newcomer.join().unwrap();
        drop(held);
        assert!(is_empty(&gate));
    });
}

#[test]
fn two_releases_wake_two_waiters() {
    model(|| {
        let gate = Arc::new(Gate::new(2));
        let one = admitted(ask(&gate, 2));
        let other = admitted(ask(&gate, 2));
        let waiters = [(); 2].map(|()| waiting(ask(&gate, 2)));
        let releases = [one, other].map(|permit| thread::spawn(move || drop(permit)));
        // Held together: each release has to bring a slot of its own.
        let permits = waiters.map(granted);
        for release in releases {
            release.join().unwrap();
        }
        drop(permits);
        assert!(is_empty(&gate));
    });
}

#[test]
fn a_waiter_that_leaves_while_it_is_granted_passes_the_slot_on() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        let held = admitted(ask(&gate, 2));
        let leaver = waiting(ask(&gate, 2));
        let next = waiting(ask(&gate, 2));
        let release = thread::spawn(move || drop(held));
        let leave = thread::spawn(move || drop(leaver));
        drop(granted(next));
        release.join().unwrap();
        leave.join().unwrap();
        assert!(is_empty(&gate));
    });
}

#[test]
fn a_slot_goes_to_one_waiter_alone() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        let held = admitted(ask(&gate, 2));
        let mut first = waiting(ask(&gate, 2));
        let mut second = waiting(ask(&gate, 2));
        let release = thread::spawn(move || drop(held));
        let cx = &mut Context::from_waker(Waker::noop());
        // Polled in the middle of the release, they may not both have it; and it is the first one's.
        let second_is_ready = matches!(Pin::new(&mut second).poll(cx), Poll::Ready(_));
        release.join().unwrap();
        assert!(!second_is_ready);
        assert!(matches!(Pin::new(&mut first).poll(cx), Poll::Ready(_)));
        drop((first, second));
        assert!(is_empty(&gate));
    });
}

#[test]
fn three_that_come_and_go_never_exceed_the_limit() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        let running = Arc::new(AtomicU32::new(0));
        let visit = |gate: Arc<Gate>, running: Arc<AtomicU32>| {
            let permit = admitted(ask(&gate, 2));
            assert_eq!(running.fetch_add(1, SeqCst), 0);
            running.fetch_sub(1, SeqCst);
            drop(permit);
        };
        let others = [(); 2].map(|()| {
            let (gate, running) = (Arc::clone(&gate), Arc::clone(&running));
            thread::spawn(move || visit(gate, running))
        });
        visit(Arc::clone(&gate), running);
        for other in others {
            other.join().unwrap();
        }
        assert!(is_empty(&gate));
    });
}

#[test]
fn a_lowered_limit_binds_from_the_instant_it_is_set() {
    model(|| {
        let gate = Arc::new(Gate::new(2));
        let held = admitted(ask(&gate, 0));
        let lowered = Arc::new(Mutex::new(false));
        let newcomer = thread::spawn({
            let (gate, lowered) = (Arc::clone(&gate), Arc::clone(&lowered));
            move || {
                let was_lowered = *lowered.lock().unwrap();
                let admitted = matches!(ask(&gate, 0), Admission::Admitted(_));
                assert!(!(was_lowered && admitted));
            }
        });
        gate.set_limit(1);
        *lowered.lock().unwrap() = true;
        newcomer.join().unwrap();
        drop(held);
        assert!(is_empty(&gate));
    });
}

#[test]
fn a_queue_is_full_only_while_no_slot_is_free() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        let held = admitted(ask(&gate, 1));
        let waiter = waiting(ask(&gate, 1));
        let release = thread::spawn(move || drop(held));
        // One place and one waiter: full before the hand-over, a free place after it, and nothing else in between.
        match ask(&gate, 1) {
            Admission::Refused(_) => {}
            Admission::Waiting(ticket) => drop(ticket),
            Admission::Admitted(_) => panic!("it overtook a waiter"),
        }
        release.join().unwrap();
        drop(granted(waiter));
        assert!(is_empty(&gate));
    });
}

/// A task that is there while the gate is busy, like the one that looks at it.
struct Beat {
    gate: Arc<Gate>,
    is_busy: fn(&Gate) -> bool,
    state: State,
}

impl Errand for Beat {
    fn state(&self) -> &State {
        &self.state
    }

    async fn run(&self) {}

    fn is_needed(&self) -> bool {
        (self.is_busy)(&self.gate)
    }
}

/// Somebody enters while the task ends.
fn an_end(is_busy: fn(&Gate) -> bool) {
    loom::model(move || {
        let gate = Arc::new(Gate::new(1));
        let beat = Arc::new(Beat { gate: Arc::clone(&gate), is_busy, state: State::default() });
        let running = Running::begin(&beat).unwrap();
        let ending = thread::spawn(move || running.end());
        let _held = admitted(ask(&gate, 0));
        let begun = if beat.state.is_idle() { Running::begin(&beat) } else { None };
        let gone_on = ending.join().unwrap();
        assert!(begun.is_some() != gone_on.is_some(), "one task, not none and not two");
    });
}

#[test]
fn whoever_enters_as_the_beat_ends_is_seen_by_it_or_begins_another() {
    an_end(Gate::is_busy);
}

#[test]
#[should_panic(expected = "one task")]
fn a_beat_that_ends_by_a_mere_look_leaves_somebody_alone() {
    an_end(|gate| gate.look().in_flight() > 0);
}

/// A stream that found no room among the streams when it began, and keeps its slot until it is looked at.
fn streaming(gate: &Arc<Gate>) -> Permit {
    gate.set_max_streams(0);
    let mut permit = admitted(ask(gate, 0));
    let head = Response::builder().header(CONTENT_TYPE, "text/event-stream").body(());
    permit.head(&mut head.unwrap().into_parts().0);
    permit.handed_on();
    gate.set_max_streams(1);
    permit
}

#[test]
fn a_body_that_ends_while_its_slot_is_taken_gives_back_the_one_or_the_other() {
    model(|| {
        let gate = Arc::new(Gate::new(1));
        let body = streaming(&gate);
        let waiter = waiting(ask(&gate, 1));
        let looks = thread::spawn({
            let gate = Arc::clone(&gate);
            move || gate.look_at_bodies()
        });
        let ends = thread::spawn(move || drop(body));
        drop(granted(waiter));
        looks.join().unwrap();
        ends.join().unwrap();
        assert!(is_empty(&gate));
        assert_eq!(gate.streams.taken(), 0);
    });
}

/// The negative control: two atomics where the gate has one, and so a release that falls in between.
#[test]
#[should_panic(expected = "the wake-up is lost")]
fn a_gate_of_two_atomics_loses_a_wake_up() {
    loom::model(|| {
        let in_flight = Arc::new(AtomicU32::new(1));
        let waiting = Arc::new(AtomicU32::new(0));
        let newcomer = thread::spawn({
            let (in_flight, waiting) = (Arc::clone(&in_flight), Arc::clone(&waiting));
            move || {
                let waits = in_flight.load(SeqCst) == 1;
                if waits {
                    waiting.store(1, SeqCst);
                }
                waits
            }
        });
        in_flight.store(0, SeqCst);
        let wakes = waiting.load(SeqCst) == 1;
        let waits = newcomer.join().unwrap();
        assert!(!waits || wakes, "the wake-up is lost");
    });
}
