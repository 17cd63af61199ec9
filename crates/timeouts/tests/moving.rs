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

#[tokio::test(start_paused = true)]
async fn a_handler_extends_its_deadline_sets_it_from_now_takes_it_away_and_puts_it_back() {
    type Move = fn(&Deadline);
    let moves: [(Move, Duration); 5] = [
        (|deadline| deadline.extend(LIMIT), 2 * LIMIT),
        (|deadline| (0..3).for_each(|_| deadline.extend(TICK)), LIMIT + 3 * TICK),
        (|deadline| deadline.set_from_now(2 * LIMIT), LIMIT / 3 + 2 * LIMIT),
        (|deadline| deadline.set_from_now(TICK), LIMIT / 3 + TICK),
        (|deadline| assert!(deadline.set(deadline.disable()).is_none()), LIMIT),
    ];
    for (moved, took) in moves {
        let service = service_fn(move |request: Request<()>| async move {
            sleep(LIMIT / 3).await;
            moved(&Deadline::of(&request).unwrap());
            std::future::pending::<()>().await;
            Ok::<_, Infallible>(Response::new(String::new()))
        });
        let start = Instant::now();
        let layer = TimeoutLayer::new(LIMIT).expose();
        let response = layer.layer(service).oneshot(Request::new(())).await.unwrap();
        assert_eq!((response.status(), start.elapsed()), (StatusCode::GATEWAY_TIMEOUT, took));
    }
}

#[tokio::test(start_paused = true)]
async fn a_disabled_deadline_cannot_be_extended_and_one_beyond_counting_is_none() {
    type Move = fn(&Deadline);
    let moves: [Move; 4] = [
        |deadline| {
            deadline.disable();
            deadline.extend(TICK);
        },
        |deadline| deadline.extend(Duration::MAX),
        |deadline| deadline.extend(Duration::from_nanos(u64::MAX)),
        |deadline| deadline.set_from_now(Duration::MAX),
    ];
    for moved in moves {
        let answer = send(|context| async move {
            let mut request = Request::new(());
            request.extensions_mut().insert(context);
            moved(&Deadline::of(&request).unwrap());
            sleep(100 * LIMIT).await;
        });
        assert_eq!(answer.await, (StatusCode::OK, 100 * LIMIT));
    }
}

/// When a handler hears that no more than a second is left, with its deadline moved in another task after a second.
async fn hears(moved: fn(&RequestContext)) -> Option<Duration> {
    let lead = Duration::from_secs(1);
    let heard = std::sync::Arc::new(std::sync::Mutex::new(None));
    let (telling, context_of) = (std::sync::Arc::clone(&heard), |context: &RequestContext| {
        let mut request = Request::new(());
        request.extensions_mut().insert(context.clone());
        Deadline::of(&request).expect("it has a context")
    });
    let answer = send(|context| {
        let telling = std::sync::Arc::clone(&telling);
        async move {
            tokio::spawn({
                let context = context.clone();
                async move {
                    sleep(Duration::from_secs(1)).await;
                    moved(&context);
                }
            });
            let deadline = context_of(&context);
            if tokio::time::timeout(10 * LIMIT, deadline.approaches(lead)).await.is_ok() {
                *telling.lock().expect("nobody panics") = Some(context.arrival().elapsed());
            }
        }
    });
    let (status, took) = answer.await;
    assert_eq!(status, StatusCode::OK, "it has come to its end by itself");
    let heard = *heard.lock().expect("nobody panics");
    assert_eq!(heard.unwrap_or(10 * LIMIT), took);
    heard
}

#[tokio::test(start_paused = true)]
async fn a_handler_hears_that_its_deadline_approaches_and_answers_by_itself() {
    let second = Duration::from_secs(1);
    assert_eq!(hears(|_| ()).await, Some(LIMIT - second));
    assert_eq!(hears(|context| context.extend_deadline(LIMIT)).await, Some(2 * LIMIT - second));
    assert_eq!(
        hears(|context| context.inherit_deadline(context.arrival() + LIMIT / 2)).await,
        Some(Duration::from_secs(1)),
        "no more than that is left at once"
    );
    assert_eq!(hears(|context| assert!(context.set_deadline(None).is_some())).await, None);
    let paused = hears(|context| {
        context.pause_deadline();
        let context = context.clone();
        tokio::spawn(async move {
            sleep(LIMIT).await;
            context.resume_deadline();
        });
    });
    assert_eq!(paused.await, Some(2 * LIMIT - second));
}
