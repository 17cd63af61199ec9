//! A deadline that moves while the handler runs.

use std::{convert::Infallible, time::Duration};

use http::{Request, Response, StatusCode};
use macadam_core::RequestContext;
use macadam_timeouts::{Deadline, TimeoutLayer};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_secs(3);
const TICK: Duration = Duration::from_millis(1);

/// Sends a request through a layer of `LIMIT`, and says how long the answer took.
async fn send<H, F>(handler: H) -> (StatusCode, Duration)
where
    H: Fn(RequestContext) -> F,
    F: Future<Output = ()>,
{
    let service = service_fn(|request: Request<()>| {
        let work = handler(RequestContext::get(&request).expect("the layer is exposed").clone());
        async move {
            work.await;
            Ok::<_, Infallible>(Response::new(String::new()))
        }
    });
    let start = Instant::now();
    let layer = TimeoutLayer::new(LIMIT).expose();
    let response = layer.layer(service).oneshot(Request::new(())).await.unwrap();
    (response.status(), start.elapsed())
}

async fn wait_for_bytes(context: &RequestContext, wait: Duration) {
    context.pause_deadline();
    sleep(wait).await;
    context.resume_deadline();
}

#[tokio::test(start_paused = true)]
async fn the_deadline_stands_still_while_the_handler_waits_for_the_client() {
    let wait = Duration::from_secs(10);
    for (work, status) in [(LIMIT, StatusCode::OK), (LIMIT + TICK, StatusCode::GATEWAY_TIMEOUT)] {
        let answer = send(|context| async move {
            sleep(work / 2).await;
            wait_for_bytes(&context, wait).await;
            sleep(work - work / 2).await;
        });
        assert_eq!(answer.await, (status, wait + LIMIT));
    }
}

#[tokio::test(start_paused = true)]
async fn several_waits_add_up() {
    let wait = Duration::from_secs(2);
    let answer = send(|context| async move {
        for _ in 0..4 {
            wait_for_bytes(&context, wait).await;
            sleep(LIMIT / 3).await;
        }
    });
    assert_eq!(answer.await, (StatusCode::GATEWAY_TIMEOUT, 4 * wait + LIMIT));
}

#[tokio::test(start_paused = true)]
async fn an_inherited_deadline_never_stands_still() {
    let inherited = LIMIT + LIMIT / 2;
    let answer = send(|context| async move {
        context.inherit_deadline(context.arrival() + inherited);
        wait_for_bytes(&context, Duration::from_secs(10)).await;
    });
    assert_eq!(answer.await, (StatusCode::GATEWAY_TIMEOUT, inherited));
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_move_its_deadline_or_take_it_away() {
    let long = 10 * LIMIT;
    let moved = |to: Option<Duration>, work: Duration| async move {
        let answer = send(|context| async move {
            context.set_deadline(to.map(|to| context.arrival() + to));
            sleep(work).await;
        });
        answer.await
    };
    assert_eq!(moved(Some(long), long).await, (StatusCode::OK, long));
    assert_eq!(moved(Some(long), long + TICK).await, (StatusCode::GATEWAY_TIMEOUT, long));
    assert_eq!(moved(Some(TICK), LIMIT).await, (StatusCode::GATEWAY_TIMEOUT, TICK));
    assert_eq!(moved(None, long).await, (StatusCode::OK, long));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_moved_from_another_task_wakes_the_one_that_waits() {
    let later = 4 * LIMIT;
    for first in [Some(LIMIT), None, Some(later)] {
        for to in [LIMIT / 2, later + LIMIT] {
            let answer = send(|context| async move {
                let start = context.arrival();
                context.set_deadline(first.map(|first| start + first));
                tokio::spawn(async move {
                    sleep(LIMIT / 3).await;
                    context.set_deadline(Some(start + to));
                });
                std::future::pending::<()>().await;
            });
            assert_eq!(answer.await, (StatusCode::GATEWAY_TIMEOUT, to), "from {first:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_ends_in_another_task_wakes_the_one_that_waits() {
    let wait = Duration::from_secs(10);
    let answer = send(|context| async move {
        tokio::spawn(async move { wait_for_bytes(&context, wait).await });
        std::future::pending::<()>().await;
    });
    assert_eq!(answer.await, (StatusCode::GATEWAY_TIMEOUT, wait + LIMIT));
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_what_remains_and_may_set_it() {
    let service = service_fn(|request: Request<()>| async move {
        let deadline = Deadline::of(&request).unwrap();
        sleep(LIMIT / 3).await;
        assert_eq!(deadline.remaining(), Some(LIMIT - LIMIT / 3));
        deadline.set(Some(Instant::now() + LIMIT));
        sleep(LIMIT).await;
        assert_eq!(deadline.remaining(), Some(Duration::ZERO));
        deadline.set(None);
        assert_eq!((deadline.instant(), deadline.remaining()), (None, None));
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let layer = TimeoutLayer::new(LIMIT).expose();
    assert_eq!(layer.layer(service).oneshot(Request::new(())).await.unwrap().status(), StatusCode::OK);
}

#[test]
fn without_a_context_there_is_no_deadline_to_see() {
    assert!(Deadline::of(&Request::new(())).is_none());
}
