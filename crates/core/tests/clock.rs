//! The deadline of a context, and the one timer that watches over it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use http::Request;
use macadam_core::{RequestContext, context::TimerOwner};
use tokio::time::{Instant, advance};

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_nanos(1);

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// Instants of one request, as times after its arrival.
struct Times {
    context: RequestContext,
    wakes: Arc<Wakes>,
}

impl Times {
    fn new() -> Self {
        Self { context: RequestContext::of(&mut Request::new(())), wakes: Arc::default() }
    }

    fn at(&self, after: Duration) -> Instant {
        self.context.arrival() + after
    }

    fn set(&self, deadline: Duration) {
        self.context.set_deadline(Some(self.at(deadline)));
    }

    fn deadline(&self) -> Option<Duration> {
        self.context.deadline().map(|at| at - self.context.arrival())
    }

    fn wake_at(&self) -> Option<Duration> {
        self.context.wake_at().map(|at| at - self.context.arrival())
    }

    fn park(&self, owner: &mut TimerOwner) -> Option<Duration> {
        let waker = Waker::from(Arc::clone(&self.wakes));
        owner.park(&Context::from_waker(&waker)).map(|at| at - self.context.arrival())
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(SeqCst)
    }

    async fn pause(&self, wait: Duration) {
        self.context.pause_deadline();
        advance(wait).await;
        self.context.resume_deadline();
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_expires_at_its_instant_and_not_before() {
    let times = Times::new();
    assert!(!times.context.is_expired(times.at(1000 * SECOND)));
    times.set(3 * SECOND);
    assert!(!times.context.is_expired(times.at(3 * SECOND - TICK)));
    assert!(times.context.is_expired(times.at(3 * SECOND)));
    times.context.set_deadline(None);
    assert!(!times.context.is_expired(times.at(1000 * SECOND)));
}

#[tokio::test(start_paused = true)]
async fn instants_before_the_arrival_have_passed_and_those_beyond_counting_never_do() {
    let before = Instant::now();
    advance(SECOND).await;
    let times = Times::new();
    times.context.set_deadline(Some(before));
    assert!(times.context.is_expired(times.context.arrival()));
    for timeout in [Duration::MAX, Duration::from_nanos(u64::MAX), Duration::from_secs(u64::MAX)] {
        times.context.set_timeout(Some(timeout));
        assert_eq!((times.deadline(), times.wake_at()), (None, None));
    }
    let millennium = Duration::from_secs(1000 * 365 * 24 * 60 * 60);
    times.set(millennium);
    assert_eq!(times.deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_own_and_inherited_counts_and_only_the_own_one_pauses() {
    let times = Times::new();
    times.set(3 * SECOND);
    times.context.inherit_deadline(times.at(8 * SECOND));
    times.context.inherit_deadline(times.at(9 * SECOND));
    assert_eq!(times.deadline(), Some(3 * SECOND));

    times.context.pause_deadline();
    assert_eq!(times.wake_at(), Some(8 * SECOND), "the own one stands still");
    assert!(!times.context.is_expired(times.at(8 * SECOND - TICK)));
    assert!(times.context.is_expired(times.at(8 * SECOND)));
    advance(4 * SECOND).await;
    times.context.resume_deadline();
    assert_eq!(times.deadline(), Some(7 * SECOND));
    times.pause(SECOND).await;
    assert_eq!(times.deadline(), Some(8 * SECOND));
    times.pause(SECOND).await;
    assert_eq!(times.deadline(), Some(8 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_set_during_a_pause_is_later_by_the_rest_of_it_alone() {
    let times = Times::new();
    times.set(3 * SECOND);
    times.context.pause_deadline();
    advance(10 * SECOND).await;
    times.set(15 * SECOND);
    advance(2 * SECOND).await;
    times.context.resume_deadline();
    assert_eq!(times.deadline(), Some(17 * SECOND));
    times.set(15 * SECOND);
    assert_eq!(times.deadline(), Some(15 * SECOND), "pauses that are over do not count");
    times.context.set_timeout(Some(3 * SECOND));
    assert_eq!(times.deadline(), Some(15 * SECOND), "a timeout is counted without pauses");
}

#[tokio::test(start_paused = true)]
async fn a_fork_made_during_a_pause_has_the_time_that_is_left() {
    let times = Times::new();
    times.set(3 * SECOND);
    advance(SECOND).await;
    times.context.pause_deadline();
    advance(10 * SECOND).await;
    let fork = times.context.fork();
    assert_eq!(fork.deadline(), Some(Instant::now() + 2 * SECOND));
    assert!(!fork.is_expired(Instant::now() + 2 * SECOND - TICK));
    assert!(fork.is_expired(Instant::now() + 2 * SECOND));
    times.context.resume_deadline();
    assert_eq!(times.deadline(), Some(13 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_lowered_deadline_goes_back_unless_it_was_moved_since() {
    let times = Times::new();
    times.set(3 * SECOND);
    assert!(times.context.lower_timeout(3 * SECOND).is_none());
    let outer = times.context.lower_timeout(2 * SECOND).unwrap();
    let inner = times.context.lower_timeout(SECOND).unwrap();
    assert_eq!(times.deadline(), Some(SECOND));
    drop(inner);
    assert_eq!(times.deadline(), Some(2 * SECOND));
    drop(outer);
    assert_eq!(times.deadline(), Some(3 * SECOND));

    let moved = times.context.lower_timeout(SECOND).unwrap();
    times.set(5 * SECOND);
    drop(moved);
    assert_eq!(times.deadline(), Some(5 * SECOND));

    let owner = times.context.own_timer().unwrap();
    owner.lower_timeout(6 * SECOND);
    assert_eq!(times.deadline(), Some(5 * SECOND));
    owner.lower_timeout(SECOND);
    drop(owner);
    assert_eq!(times.deadline(), Some(SECOND), "the owner lowers for good");
}

#[tokio::test(start_paused = true)]
async fn the_timer_has_one_owner_at_a_time() {
    let times = Times::new();
    let owner = times.context.own_timer().unwrap();
    assert!(times.context.own_timer().is_none());
    assert!(times.context.clone().own_timer().is_none());
    assert!(times.context.fork().own_timer().is_some(), "a fork has a timer of its own");
    drop(owner);
    assert!(times.context.own_timer().is_some());
}

#[tokio::test(start_paused = true)]
async fn whatever_makes_the_owner_due_earlier_wakes_it() {
    let times = Times::new();
    times.context.announce_moves();
    let mut owner = times.context.own_timer().unwrap();
    let mut woken_to = |expected: Option<Duration>, change: &dyn Fn()| {
        times.park(&mut owner);
        let before = times.wakes();
        change();
        assert_eq!((times.wakes() - before, times.park(&mut owner)), (1, expected));
    };
    woken_to(Some(9 * SECOND), &|| times.set(9 * SECOND));
    woken_to(Some(8 * SECOND), &|| times.context.set_timeout(Some(8 * SECOND)));
    let lowered = std::cell::Cell::new(None);
    woken_to(Some(7 * SECOND), &|| lowered.set(times.context.lower_timeout(7 * SECOND)));
    woken_to(Some(6 * SECOND), &|| times.context.inherit_deadline(times.at(6 * SECOND)));
    let asked = std::cell::Cell::new(None);
    woken_to(Some(5 * SECOND), &|| asked.set(times.context.ask_wake(times.at(5 * SECOND))));
    drop((lowered, asked));

    let times = Times::new();
    let mut owner = times.context.own_timer().unwrap();
    times.set(SECOND);
    times.context.pause_deadline();
    advance(SECOND).await;
    assert_eq!(times.park(&mut owner), None);
    times.context.resume_deadline();
    assert_eq!((times.wakes(), times.park(&mut owner)), (1, Some(2 * SECOND)));
}

#[tokio::test(start_paused = true)]
async fn an_owner_is_woken_for_moves_that_were_announced_before_it_parked() {
    let times = Times::new();
    let mut owner = times.context.own_timer().unwrap();
    times.park(&mut owner);
    times.set(2 * SECOND);
    assert_eq!((times.wakes(), times.park(&mut owner)), (0, Some(2 * SECOND)), "nobody had said so");
    times.set(SECOND);
    assert_eq!((times.wakes(), times.park(&mut owner)), (1, Some(SECOND)), "one move announces the next");
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_is_gone_is_not_woken() {
    let times = Times::new();
    let mut owner = times.context.own_timer().unwrap();
    times.park(&mut owner);
    drop(owner);
    times.set(SECOND);
    assert_eq!(times.wakes(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_poll_that_was_asked_for_is_served_once_and_the_deadline_still_counts() {
    let times = Times::new();
    assert!(times.context.ask_wake(times.at(SECOND)).is_none(), "nobody owns the timer");
    let mut owner = times.context.own_timer().unwrap();
    times.set(3 * SECOND);
    let outer = times.context.ask_wake(times.at(2 * SECOND)).unwrap();
    let inner = times.context.ask_wake(times.at(SECOND)).unwrap();
    assert_eq!((times.park(&mut owner), times.deadline()), (Some(SECOND), Some(3 * SECOND)));
    assert!(!owner.fired(times.at(SECOND)));
    assert_eq!(times.park(&mut owner), Some(3 * SECOND), "the timer would fire for ever");
    drop(inner);
    assert_eq!(times.park(&mut owner), Some(2 * SECOND));
    drop(outer);
    assert_eq!(times.park(&mut owner), Some(3 * SECOND));

    let late = times.context.ask_wake(times.at(4 * SECOND)).unwrap();
    assert_eq!(times.park(&mut owner), Some(3 * SECOND));
    assert!(owner.fired(times.at(3 * SECOND)));
    drop(late);
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_fires_for_a_deadline_that_was_moved_finds_nothing_due() {
    let times = Times::new();
    let mut owner = times.context.own_timer().unwrap();
    times.set(SECOND);
    let at = times.park(&mut owner).unwrap();
    times.set(2 * SECOND);
    assert!(!owner.fired(times.at(at)));
    assert_eq!(times.park(&mut owner), Some(2 * SECOND));
    times.context.pause_deadline();
    assert!(!owner.fired(times.at(2 * SECOND)));
    assert_eq!(times.park(&mut owner), None);
}
