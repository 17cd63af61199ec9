//! The queue.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, Wake, Waker},
};

use crate::stand::{Stand, TICK, due_in, kind, limit, pass, turn};
use http::Request;
use macadam_core::{Outcome, Stage};
use tokio::time::{Duration, Instant};
use tower::{Service, ServiceExt};

const WAIT: Duration = Duration::from_millis(200);

#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_the_order_of_their_arrival() {
    let stand = Stand::new(limit(1).queue(8));
    let mut sent = Vec::new();
    for n in 0..5 {
        sent.push(stand.get(&format!("/{n}")).await);
    }
    // One from the middle leaves; the others keep their places.
    sent[2].abort();
    turn().await;
    for path in ["/0", "/1", "/3", "/4"] {
        let call = stand.script.try_next_call().expect("the slot is handed on");
        assert_eq!(call.request().uri(), path);
        assert!(stand.script.try_next_call().is_none(), "two have one slot");
        call.ok();
        turn().await;
    }
    assert_eq!(stand.figures(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_does_not_overtake_a_waiter_that_was_handed_the_slot() {
    let stand = Stand::new(limit(1).queue(1));
    let mut first = pin!(stand.service.clone().oneshot(Request::get("/first").body(()).unwrap()));
    let mut second = pin!(stand.service.clone().oneshot(Request::get("/second").body(()).unwrap()));
    let mut newcomer = pin!(stand.service.clone().oneshot(Request::get("/newcomer").body(()).unwrap()));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(first.as_mut().poll(cx).is_pending());
    assert!(second.as_mut().poll(cx).is_pending());
    stand.script.try_next_call().unwrap().ok();
    assert!(first.as_mut().poll(cx).is_ready());

    // The slot is the second one's already, before it is polled.
    assert!(newcomer.as_mut().poll(cx).is_pending());
    assert_eq!(stand.figures(), (1, 1));
    assert!(second.as_mut().poll(cx).is_pending());
    assert_eq!(stand.script.try_next_call().unwrap().request().uri(), "/second");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once() {
    let stand = Stand::new(limit(1).queue(1));
    stand.get("/runs").await;
    stand.get("/waits").await;
    let refused = stand.get("/refused").await.await.unwrap().unwrap();
    assert_eq!((refused.status().as_u16(), kind(&refused)), (503, "overloaded"));
    assert_eq!(stand.script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_queue_of_none_refuses_what_cannot_run_at_once() {
    let stand = Stand::new(limit(1).queue(0));
    stand.get("/runs").await;
    let refused = stand.get("/refused").await.await.unwrap().unwrap();
    assert_eq!(kind(&refused), "overloaded");
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_as_long_as_the_limit_unless_set() {
    let stand = Stand::new(limit(2));
    for _ in 0..5 {
        stand.get("/").await;
    }
    assert_eq!(stand.figures(), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_after_max_wait_and_not_a_tick_before() {
    let stand = Stand::new(limit(1).max_wait(WAIT));
    stand.get("/runs").await;
    let waits = stand.get("/waits").await;
    pass(WAIT - TICK).await;
    assert!(!waits.is_finished());
    assert_eq!(stand.figures(), (1, 1));
    pass(TICK).await;
    assert!(waits.is_finished());
    assert_eq!(stand.figures(), (1, 0));
    let refused = waits.await.unwrap().unwrap();
    assert_eq!((refused.status().as_u16(), kind(&refused)), (503, "overloaded"));
    assert!(refused.headers().contains_key("retry-after"), "its deadline was not what stood in its way");
    assert_eq!(stand.script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_comes_a_tick_before_the_end_of_the_wait_is_taken() {
    let stand = Stand::new(limit(1).max_wait(WAIT));
    stand.get("/runs").await;
    let waits = stand.get("/waits").await;
    pass(WAIT - TICK).await;
    stand.script.try_next_call().unwrap().ok();
    turn().await;
    pass(TICK * 2).await;
    stand.script.try_next_call().unwrap().ok();
    assert_eq!(waits.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_the_deadline_and_not_a_tick_before() {
    let stand = Stand::new(limit(1).max_wait(Duration::from_secs(60)));
    stand.get("/runs").await;
    let (request, context) = due_in(WAIT);
    let waits = stand.send(request).await;
    assert_eq!(context.stage(), Stage::Queued);
    pass(WAIT - TICK).await;
    assert!(!waits.is_finished());
    assert_eq!(context.outcome(), Outcome::Pending);
    pass(TICK).await;
    assert_eq!(kind(&waits.await.unwrap().unwrap()), "deadline");
    assert_eq!(context.outcome(), Outcome::Shed);
    assert_eq!(stand.script.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_handler_is_not_called_after_its_deadline_even_with_a_slot() {
    let stand = Stand::new(limit(1).queue(2));
    stand.get("/runs").await;
    let (request, _) = due_in(WAIT);
    let mut late = pin!(stand.service.clone().oneshot(request));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(late.as_mut().poll(cx).is_pending());
    let next = stand.get("/next").await;

    // The slot comes in time, and is the late one's; its task gets its turn after the deadline.
    stand.script.try_next_call().unwrap().ok();
    turn().await;
    assert_eq!(stand.figures(), (1, 1));
    pass(WAIT).await;
    let Poll::Ready(Ok(refused)) = late.as_mut().poll(cx) else { panic!("it is refused") };
    assert_eq!(kind(&refused), "deadline");

    // And so the slot goes on to the next.
    turn().await;
    let call = stand.script.try_next_call().unwrap();
    assert_eq!(call.request().uri(), "/next");
    call.ok();
    assert_eq!(next.await.unwrap().unwrap().status(), 200);
    assert_eq!(stand.figures(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_on_arrival_does_not_wait() {
    let stand = Stand::new(limit(1));
    stand.get("/runs").await;
    let (request, _) = due_in(Duration::ZERO);
    let refused = stand.send(request).await;
    assert!(refused.is_finished());
    assert_eq!(kind(&refused.await.unwrap().unwrap()), "deadline");
}

#[tokio::test(start_paused = true)]
async fn an_owned_timer_is_asked_for_the_end_of_the_wait_and_given_back() {
    let stand = Stand::new(limit(1).max_wait(WAIT));
    stand.get("/runs").await;
    let (request, context) = due_in(Duration::from_secs(60));
    let deadline = context.deadline();
    let _owner = context.own_timer().unwrap();

    let mut waits = pin!(stand.service.clone().oneshot(request));
    let cx = &mut Context::from_waker(Waker::noop());
    assert_eq!(context.wake_at(), deadline);
    assert!(waits.as_mut().poll(cx).is_pending());
    assert_eq!(context.wake_at(), Some(Instant::now() + WAIT));

    // A deadline that was moved counts from the next poll on, and back.
    context.set_deadline(Some(Instant::now() + WAIT / 2));
    assert!(waits.as_mut().poll(cx).is_pending());
    context.set_deadline(None);
    assert!(waits.as_mut().poll(cx).is_pending());
    assert_eq!(context.wake_at(), Some(Instant::now() + WAIT));

    stand.script.try_next_call().unwrap().ok();
    turn().await;
    assert!(waits.as_mut().poll(cx).is_pending());
    assert_eq!(context.stage(), Stage::Handling);
    assert_eq!(context.wake_at(), None);
}

#[tokio::test(start_paused = true)]
async fn an_owned_timer_that_polls_at_the_end_of_the_wait_finds_a_refusal() {
    let stand = Stand::new(limit(1).max_wait(WAIT));
    stand.get("/runs").await;
    let (request, context) = due_in(Duration::from_secs(60));
    let _owner = context.own_timer().unwrap();
    // Not by `oneshot`, which drops the future as soon as it is ready: what is given back then, the refusal gave.
    let mut waits = pin!(stand.readied().await.call(request));
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(waits.as_mut().poll(cx).is_pending());
    pass(WAIT - TICK).await;
    assert!(waits.as_mut().poll(cx).is_pending());
    pass(TICK).await;
    let Poll::Ready(Ok(refused)) = waits.as_mut().poll(cx) else { panic!("it is refused") };
    assert_eq!(kind(&refused), "overloaded");
    assert_eq!(context.wake_at(), context.deadline(), "what was asked for is taken back");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_dropped_leaves_its_place_to_another() {
    let stand = Stand::new(limit(1).queue(1));
    stand.get("/runs").await;
    let waits = stand.get("/leaves").await;
    waits.abort();
    turn().await;
    assert_eq!(stand.figures(), (1, 0));
    stand.get("/takes-its-place").await;
    assert_eq!(stand.figures(), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_dropped_before_its_first_poll_leaves_its_place() {
    let stand = Stand::new(limit(1).queue(1));
    stand.get("/runs").await;
    let mut service = stand.readied().await;
    let never_polled = service.call(Request::new(()));
    assert_eq!(stand.figures(), (1, 1));
    drop(never_polled);
    assert_eq!(stand.figures(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_waiter_dropped_between_its_slot_and_its_poll_passes_the_slot_on() {
    let stand = Stand::new(limit(1).queue(2));
    stand.get("/runs").await;
    {
        let mut granted = pin!(stand.service.clone().oneshot(Request::new(())));
        assert!(granted.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        stand.get("/next").await;
        stand.script.try_next_call().unwrap().ok();
        turn().await;
        assert_eq!(stand.figures(), (1, 1));
        assert!(stand.script.try_next_call().is_none());
    }
    turn().await;
    assert_eq!(stand.figures(), (1, 0));
    assert_eq!(stand.script.try_next_call().unwrap().request().uri(), "/next");
}

#[tokio::test(start_paused = true)]
async fn one_slot_wakes_one_waiter() {
    let stand = Stand::new(limit(1).queue(16));
    stand.get("/runs").await;
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let cx = &mut Context::from_waker(&waker);
    let mut herd: Vec<_> =
        (0..16).map(|_| Box::pin(stand.service.clone().oneshot(Request::new(())))).collect();
    for waiter in &mut herd {
        assert!(waiter.as_mut().poll(cx).is_pending());
    }
    stand.script.try_next_call().unwrap().ok();
    turn().await;
    assert_eq!(wakes.0.load(SeqCst), 1);
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_whose_task_changes_is_woken_where_it_was_polled_last() {
    let stand = Stand::new(limit(1).queue(1));
    stand.get("/runs").await;
    let mut waits = Box::pin(stand.service.clone().oneshot(Request::new(())));
    assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let moved = tokio::spawn(waits);
    turn().await;
    stand.script.try_next_call().unwrap().ok();
    turn().await;
    stand.script.try_next_call().unwrap().ok();
    assert_eq!(moved.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn the_readied_instance_waits_with_its_request_and_is_called() {
    let stand = Stand::new(limit(1).queue(1));
    stand.get("/runs").await;
    let mut service = stand.readied().await;
    let waits = tokio::spawn(service.call(Request::new(())));
    turn().await;
    // A scripted clone is not ready before it has been asked; called so, it would panic.
    stand.script.not_ready();
    stand.script.try_next_call().unwrap().ok();
    turn().await;
    stand.script.try_next_call().unwrap().ok();
    assert_eq!(waits.await.unwrap().unwrap().status(), 200);
    assert_eq!(stand.script.violations(), Vec::<&str>::new());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_not_ready_is_not_overload() {
    let stand = Stand::new(limit(1).queue(0));
    stand.script.not_ready();
    let waits = stand.get("/").await;
    pass(Duration::from_secs(3600)).await;
    assert!(!waits.is_finished());
    assert_eq!(stand.figures(), (0, 0));
    stand.script.ready();
    stand.script.next_call().await.ok();
    assert_eq!(waits.await.unwrap().unwrap().status(), 200);
}
