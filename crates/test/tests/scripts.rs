//! The scripted service and body do what their scripts say, and tell how they were treated.

use std::task::{Context, Poll, Waker};

use http::{HeaderMap, Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use macadam_test::{Refused, ScriptedBody, ScriptedService, Step, allocations, allocations_of, service};
use tower_service::Service;

fn readied(service: &mut ScriptedService) -> Poll<Result<(), Refused>> {
    Service::<Request<&str>>::poll_ready(service, &mut Context::from_waker(Waker::noop()))
}

#[tokio::test(start_paused = true)]
async fn a_call_is_answered_by_the_script() {
    let (mut service, script) = service();
    assert!(readied(&mut service).is_ready());
    let answered = tokio::spawn(service.call(Request::put("/a").body("b").unwrap()));

    let exchange = script.next_call().await;
    assert_eq!(exchange.request().uri(), "/a");
    assert_eq!(exchange.body::<&str>(), "b");
    assert_eq!((script.calls(), script.live_futures(), exchange.is_dropped()), (1, 1, false));

    exchange.respond(Response::new(ScriptedBody::new([Step::data("c")])));
    exchange.dropped().await;
    assert_eq!(script.live_futures(), 0);
    let body = answered.await.unwrap().unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "c");
}

#[tokio::test(start_paused = true)]
async fn readiness_is_the_scripts_to_give_and_a_clones_is_its_own() {
    let (mut service, script) = service();
    script.not_ready();
    assert!(readied(&mut service).is_pending());
    script.fail_readiness();
    assert_eq!(readied(&mut service), Poll::Ready(Err(Refused)));
    script.ready();
    assert_eq!(readied(&mut service), Poll::Ready(Ok(())));

    let mut clone = service.clone();
    assert_eq!(script.live_services(), 2);
    let called = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| clone.call(Request::new(()))));
    assert!(called.is_err());
    assert_eq!(script.violations().len(), 1);
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "the scripted service is called")]
async fn a_test_that_waits_in_vain_says_so() {
    let (_service, script) = service();
    script.next_call().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_takes_its_steps_in_order() {
    let trailers = HeaderMap::from_iter([("a".parse().unwrap(), "b".parse().unwrap())]);
    let steps = [Step::data("one"), Step::pending(), Step::data("two"), Step::trailers(trailers.clone())];
    let mut body = ScriptedBody::new(steps).exact_size();
    let handle = body.handle();

    assert_eq!(body.size_hint().exact(), Some(6));
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
    assert_eq!(body.size_hint().exact(), Some(3));
    let reader = tokio::spawn(async move {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "two");
        body
    });
    tokio::task::yield_now().await;
    assert!(!reader.is_finished());
    handle.wake();

    let mut body = reader.await.unwrap();
    assert!(!body.is_end_stream());
    assert_eq!(body.frame().await.unwrap().unwrap().into_trailers().unwrap(), trailers);
    assert!(body.is_end_stream());
    assert_eq!(handle.polls_after_end(), 0);
    assert!(body.frame().await.is_none());
    assert_eq!(handle.polls_after_end(), 1);
    drop(body);
    assert!(handle.is_dropped());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_failed_is_over() {
    let mut body = ScriptedBody::new([Step::error(), Step::data("never")]);
    assert_eq!(body.frame().await.unwrap().unwrap_err(), Refused);
    assert!(body.frame().await.is_none());
}

#[test]
fn allocations_are_counted_on_this_thread_alone() {
    assert_eq!(allocations(|| 1 + 1), 0);
    assert_eq!(allocations(|| Box::new(1_u8)), 1);
    assert_eq!(allocations_of(|| (vec![0_u8; 16], vec![0_u8; 32])).bytes, 48);
    let elsewhere = std::thread::spawn(|| loop_of_boxes(10));
    assert_eq!(allocations(|| while !elsewhere.is_finished() {}), 0);
    assert_eq!(elsewhere.join().unwrap(), 10);
}

fn loop_of_boxes(boxes: u64) -> u64 {
    allocations(|| (0..boxes).map(Box::new).for_each(|each| drop(std::hint::black_box(each))))
}
