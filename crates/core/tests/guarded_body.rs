//! When a guarded body is finished, and when it is not.

mod witness;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Waker},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use macadam_core::{BodyRule, End, Guard, GuardedBody};
use macadam_test::{Refused, ScriptedBody, Step};
use proptest::prelude::*;

use self::witness::Witness;

fn guarded(body: ScriptedBody) -> (GuardedBody<ScriptedBody, Witness>, Witness) {
    let witness = Witness::default();
    (GuardedBody::new(body, witness.clone()), witness)
}

async fn next(body: &mut GuardedBody<ScriptedBody, Witness>) -> Option<Result<Frame<Bytes>, Refused>> {
    body.frame().await
}

fn polled_once<B: Body>(body: B) -> bool {
    pin!(body).poll_frame(&mut Context::from_waker(Waker::noop())).is_ready()
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([("x-sum".parse().expect("it is a name"), HeaderValue::from_static("1"))])
}

#[test]
fn a_body_at_its_end_from_the_start_is_finished_at_once() {
    let (_body, witness) = guarded(ScriptedBody::empty());
    assert_eq!(witness.ends(), [End::Finished]);

    let (_body, witness) = guarded(ScriptedBody::new([Step::data("a")]));
    assert_eq!(witness.ends(), []);
    let (_body, witness) = guarded(ScriptedBody::empty().unknown_end());
    assert_eq!(witness.ends(), []);
}

#[tokio::test]
async fn a_body_is_finished_with_the_frame_after_which_is_end_stream_holds() {
    let (mut body, witness) = guarded(ScriptedBody::new([Step::data("a"), Step::data("b")]));
    next(&mut body).await;
    assert_eq!(witness.ends(), []);
    next(&mut body).await;
    assert_eq!(witness.ends(), [End::Finished]);
}

#[tokio::test]
async fn a_body_that_does_not_know_its_end_is_finished_with_its_none() {
    let (mut body, witness) = guarded(ScriptedBody::new([Step::data("a")]).unknown_end());
    next(&mut body).await;
    assert_eq!(witness.ends(), []);
    assert!(next(&mut body).await.is_none());
    assert_eq!(witness.ends(), [End::Finished]);
}

#[tokio::test]
async fn a_body_is_finished_with_its_trailers() {
    let (mut body, witness) =
        guarded(ScriptedBody::new([Step::data("a"), Step::trailers(trailers())]).unknown_end());
    next(&mut body).await;
    assert_eq!(witness.ends(), []);
    next(&mut body).await;
    assert_eq!(witness.ends(), [End::Finished]);
}

#[tokio::test]
async fn a_body_is_finished_with_the_last_byte_that_its_exact_size_promised() {
    let steps = [Step::data("four"), Step::data(""), Step::data("fiv"), Step::data("e"), Step::data("")];
    let (mut body, witness) = guarded(ScriptedBody::new(steps).exact_size().unknown_end());
    for _ in 0..3 {
        next(&mut body).await;
        assert_eq!(witness.ends(), []);
    }
    next(&mut body).await;
    assert_eq!(witness.ends(), [End::Finished]);
}

#[test]
fn a_body_that_promised_no_byte_is_finished_at_once() {
    // After `Content-Length: 0` a server drops the body unpolled.
    let (_body, witness) =
        guarded(ScriptedBody::new([Step::trailers(trailers())]).exact_size().unknown_end());
    assert_eq!(witness.ends(), [End::Finished]);
}

#[tokio::test]
async fn trailers_after_the_exact_size_still_arrive() {
    let steps = [Step::data("four"), Step::trailers(trailers())];
    let (mut body, witness) = guarded(ScriptedBody::new(steps).exact_size().unknown_end());
    next(&mut body).await;
    assert_eq!(witness.ends(), [End::Finished]);
    let last = next(&mut body).await.unwrap().unwrap();
    assert_eq!(last.into_trailers().unwrap(), trailers());
    assert!(next(&mut body).await.is_none());
    drop(body);
    assert_eq!(witness.ends(), [End::Finished]);
}

#[test]
fn a_body_that_is_never_sent_is_finished_at_once() {
    let answered = |method: Method, status: StatusCode| {
        let mut response = Response::new(ScriptedBody::new([Step::data("unsent")]));
        *response.status_mut() = status;
        let witness = Witness::default();
        drop(GuardedBody::for_response(BodyRule::of(&method), response, witness.clone()));
        witness.ends()
    };
    for (method, status) in [
        (Method::HEAD, StatusCode::OK),
        (Method::HEAD, StatusCode::NOT_FOUND),
        (Method::CONNECT, StatusCode::OK),
        (Method::GET, StatusCode::SWITCHING_PROTOCOLS),
        (Method::GET, StatusCode::NO_CONTENT),
        (Method::GET, StatusCode::NOT_MODIFIED),
    ] {
        assert_eq!(answered(method.clone(), status), [End::Finished], "{method} {status}");
    }
    for (method, status) in [
        (Method::GET, StatusCode::OK),
        (Method::POST, StatusCode::INTERNAL_SERVER_ERROR),
        (Method::CONNECT, StatusCode::BAD_GATEWAY),
    ] {
        assert_eq!(answered(method.clone(), status), [End::Dropped], "{method} {status}");
    }
}

#[tokio::test]
async fn every_other_drop_is_a_drop() {
    let script = || ScriptedBody::new([Step::data("a"), Step::pending(), Step::data("b")]);
    let (body, witness) = guarded(script());
    drop(body);
    assert_eq!(witness.ends(), [End::Dropped]);

    let (mut body, witness) = guarded(script());
    next(&mut body).await;
    drop(body);
    assert_eq!(witness.ends(), [End::Dropped]);

    let (mut body, witness) = guarded(script());
    next(&mut body).await;
    assert!(!polled_once(&mut body));
    drop(body);
    assert_eq!(witness.ends(), [End::Dropped]);

    let (mut body, witness) =
        guarded(ScriptedBody::new([Step::data("one"), Step::data("short")]).exact_size());
    next(&mut body).await;
    drop(body);
    assert_eq!(witness.ends(), [End::Dropped]);
}

#[tokio::test]
async fn a_body_that_fails_has_failed_whatever_comes_after() {
    let (mut body, witness) = guarded(ScriptedBody::new([Step::data("a"), Step::error()]));
    next(&mut body).await;
    assert_eq!(next(&mut body).await.unwrap().unwrap_err(), Refused);
    assert_eq!(witness.ends(), [End::Failed]);
    assert!(next(&mut body).await.is_none());
    drop(body);
    assert_eq!(witness.ends(), [End::Failed]);
}

#[test]
fn a_body_that_panics_has_panicked_also_where_the_panic_is_caught_before_the_drop() {
    let (body, witness) = guarded(ScriptedBody::new([Step::panic()]));
    assert!(catch_unwind(AssertUnwindSafe(move || polled_once(body))).is_err());
    assert_eq!(witness.ends(), [End::Panicked]);

    let (mut body, witness) = guarded(ScriptedBody::new([Step::panic(), Step::data("a")]));
    assert!(catch_unwind(AssertUnwindSafe(|| polled_once(&mut body))).is_err());
    assert_eq!(witness.ends(), []);
    drop(body);
    assert_eq!(witness.ends(), [End::Panicked]);
}

#[test]
fn a_body_dropped_by_anothers_panic_has_panicked() {
    let (body, witness) = guarded(ScriptedBody::new([Step::data("a")]));
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _body = body;
        panic!("it is not the body that panics");
    }));
    assert!(unwound.is_err());
    assert_eq!(witness.ends(), [End::Panicked]);
}

#[test]
fn what_a_dropped_body_holds_is_freed_before_the_guard_ends() {
    struct AtEnd<F>(F);

    impl<F: FnOnce(End)> Guard for AtEnd<F> {
        fn end(self, end: End) {
            (self.0)(end);
        }
    }

    let body = ScriptedBody::new([Step::data("a")]);
    let handle = body.handle();
    let mut freed = None;
    drop(GuardedBody::new(body, AtEnd(|end| freed = Some((end, handle.is_dropped())))));
    assert_eq!(freed, Some((End::Dropped, true)));
}

/// Whose turn it was, in order.
#[derive(Clone, Default)]
struct Turns(Arc<Mutex<Vec<&'static str>>>);

impl Turns {
    fn note(&self, turn: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(turn);
    }

    fn taken(&self) -> Vec<&'static str> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Guard for Turns {
    fn handed_on(&mut self) {
        self.note("handed on");
    }

    fn asked(&mut self) {
        self.note("asked");
    }

    fn end(self, _: End) {
        self.note("end");
    }
}

#[tokio::test]
async fn a_guard_hears_whether_the_body_waits_for_its_client_or_the_client_for_it() {
    let turns = Turns::default();
    let steps = [Step::data("a"), Step::pending(), Step::data("b"), Step::data("c")];
    let body = ScriptedBody::new(steps);
    let handle = body.handle();
    let mut body = GuardedBody::new(body, turns.clone());
    assert_eq!(turns.taken(), ["handed on"], "the head");
    assert!(polled_once(&mut body));
    assert_eq!(turns.taken(), ["asked", "handed on"]);
    assert!(!polled_once(&mut body));
    assert_eq!(turns.taken(), ["asked"]);
    handle.wake();
    assert!(polled_once(&mut body));
    assert_eq!(turns.taken(), ["asked", "handed on"]);
    assert!(polled_once(&mut body));
    assert_eq!(turns.taken(), ["asked", "end"], "the last frame leaves nothing to wait for");
    drop(body);
    assert_eq!(turns.taken(), [""; 0]);
}

#[tokio::test]
async fn a_body_that_is_over_with_its_head_was_never_handed_on() {
    let turns = Turns::default();
    let _body = GuardedBody::new(ScriptedBody::empty(), turns.clone());
    assert_eq!(turns.taken(), ["end"]);
}

#[test]
fn what_a_body_says_of_itself_is_forwarded() {
    let body = GuardedBody::new(Full::new(Bytes::from_static(b"four")), ());
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
    let body = GuardedBody::new(Full::new(Bytes::new()), ());
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
}

proptest! {
    /// Whatever the frames, and wherever the reading stops, there is one end; and it is a finish exactly if nothing
    /// was left that a server would have sent.
    #[test]
    fn a_guard_ends_once_and_is_finished_if_nothing_is_left(
        frames in proptest::collection::vec("[a-z]{0,4}", 0..6),
        exact in any::<bool>(),
        knows_end in any::<bool>(),
        reads in 0_usize..8,
    ) {
        let mut body = ScriptedBody::new(frames.iter().cloned().map(Step::data));
        if exact {
            body = body.exact_size();
        }
        if !knows_end {
            body = body.unknown_end();
        }
        let (mut body, witness) = guarded(body);
        for _ in 0..reads {
            prop_assert!(polled_once(&mut body));
        }
        drop(body);

        let no_frame_left = reads >= frames.len();
        let no_byte_left = frames.iter().skip(reads).all(String::is_empty);
        let finished = (exact && no_byte_left) || (knows_end && no_frame_left) || reads > frames.len();
        prop_assert_eq!(witness.ends(), [if finished { End::Finished } else { End::Dropped }]);
    }
}
