//! tower-http's own tests of its body timeouts, of `timeout/body.rs` and `timeout/deadline_body.rs`, restated.
//!
//! Where theirs wrap a body by hand, ours goes through a layer. Theirs is an idle clock or a deadline; here one layer
//! has both. Each difference that is meant has a test after those that are alike.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    convert::Infallible,
    error::Error,
    fmt,
    future::ready,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use macadam_timeouts::{RequestBodyTimeoutLayer, TimeoutBody, TimeoutCause, TimeoutLayer};
use tokio::time::{Sleep, sleep};
use tower::{Layer, ServiceExt, service_fn};

#[derive(Debug)]
struct MockError;

impl Error for MockError {}

impl fmt::Display for MockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("mock error")
    }
}

/// Has so many frames, each so long after the one before it was taken.
struct MockBody {
    frames_remaining: usize,
    frame_interval: Duration,
    sleep: Pin<Box<Sleep>>,
}

impl MockBody {
    fn new(frames: usize, interval: Duration) -> Self {
        Self { frames_remaining: frames, frame_interval: interval, sleep: Box::pin(sleep(interval)) }
    }
}

impl Body for MockBody {
    type Data = Bytes;
    type Error = MockError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, MockError>>> {
        if self.frames_remaining == 0 {
            return Poll::Ready(None);
        }
        ready!(self.sleep.as_mut().poll(cx));
        self.frames_remaining -= 1;
        self.sleep = Box::pin(sleep(self.frame_interval));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from("chunk")))))
    }
}

/// As `TimeoutBody::new(timeout, body)`.
async fn idle<B: Body + 'static>(timeout: Duration, body: B) -> TimeoutBody<B> {
    through(TimeoutLayer::new(Duration::MAX).response_body_idle(timeout), body).await
}

/// As `DeadlineBody::new(timeout, body)`.
async fn deadline<B: Body + 'static>(timeout: Duration, body: B) -> TimeoutBody<B> {
    through(TimeoutLayer::new(timeout), body).await
}

async fn through<B: Body + 'static>(layer: TimeoutLayer, body: B) -> TimeoutBody<B> {
    let mut body = Some(body);
    let handler = service_fn(move |_| ready(Ok::<_, Infallible>(Response::new(body.take().unwrap()))));
    layer.layer(handler).oneshot(Request::new(())).await.unwrap().into_body()
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

// timeout/body.rs

#[tokio::test(start_paused = true)]
async fn test_body_available_within_timeout() {
    let timeout_body = idle(secs(2), MockBody::new(1, secs(1))).await;
    assert!(timeout_body.boxed().frame().await.expect("no frame").is_ok());
}

#[tokio::test(start_paused = true)]
async fn test_body_unavailable_within_timeout_error() {
    let timeout_body = idle(secs(1), MockBody::new(1, secs(2))).await;
    assert!(timeout_body.boxed().frame().await.unwrap().is_err());
}

// timeout/deadline_body.rs

#[tokio::test(start_paused = true)]
async fn body_completes_within_timeout() {
    let timeout_body = deadline(millis(200), MockBody::new(1, millis(50))).await;
    assert!(timeout_body.boxed().frame().await.expect("no frame").is_ok());
}

#[tokio::test(start_paused = true)]
async fn body_exceeds_timeout() {
    let timeout_body = deadline(millis(50), MockBody::new(1, millis(200))).await;
    let error = timeout_body.boxed().frame().await.unwrap().unwrap_err();
    assert_eq!(error.downcast_ref::<TimeoutCause>(), Some(&TimeoutCause::ResponseDeadline));
}

#[tokio::test(start_paused = true)]
async fn deadline_fires_despite_steady_frames() {
    let timeout_body = deadline(millis(100), MockBody::new(5, millis(30))).await;
    let mut boxed = timeout_body.boxed();
    let got_error = loop {
        match boxed.frame().await {
            Some(Ok(_)) => {}
            Some(Err(_)) => break true,
            None => break false,
        }
    };
    assert!(got_error, "expected timeout error before all frames arrived");
}

#[tokio::test(start_paused = true)]
async fn all_frames_arrive_within_deadline() {
    let mut boxed = deadline(millis(200), MockBody::new(3, millis(20))).await.boxed();
    let mut frame_count = 0;
    while let Some(frame) = boxed.frame().await {
        frame.unwrap();
        frame_count += 1;
    }
    assert_eq!(frame_count, 3);
}

// What is meant to differ.

/// tower-http's `TimeoutBody` and `DeadlineBody`, by what they do and ours does not.
mod theirs {
    use tower_http::timeout::{DeadlineBody, TimeoutBody};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_idle_body_loses_its_length_and_its_end_there_and_keeps_them_here() {
        let full = || Full::new(Bytes::from_static(b"hello"));
        assert_eq!(TimeoutBody::new(secs(1), full()).size_hint().exact(), None);
        assert_eq!(idle(secs(1), full()).await.size_hint().exact(), Some(5));
        let empty = http_body_util::Empty::<Bytes>::new;
        assert!(!TimeoutBody::new(secs(1), empty()).is_end_stream());
        assert!(idle(secs(1), empty()).await.is_end_stream());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_timed_out_goes_on_there_and_has_ended_here() {
        let mut body = TimeoutBody::new(secs(1), MockBody::new(1, secs(2))).boxed();
        assert!(body.frame().await.unwrap().is_err());
        tokio::time::advance(secs(2)).await;
        assert!(body.frame().await.is_some());
        let mut body = idle(secs(1), MockBody::new(1, secs(2))).await.boxed();
        assert!(body.frame().await.unwrap().is_err());
        tokio::time::advance(secs(2)).await;
        assert!(body.frame().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_frame_that_is_ready_as_the_timer_fires_is_lost_there_and_sent_here() {
        let mut body = DeadlineBody::new(secs(1), MockBody::new(1, secs(1))).boxed();
        assert!(body.frame().await.unwrap().is_err());
        let mut body = deadline(secs(1), MockBody::new(1, secs(1))).await.boxed();
        assert!(body.frame().await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_of_known_length_has_a_deadline_there_and_none_here() {
        let known = || http_body_util::Limited::new(Full::new(Bytes::from_static(b"hello")), 5);
        let body = DeadlineBody::new(secs(1), known());
        let ours = deadline(secs(1), known()).await;
        tokio::time::advance(secs(2)).await;
        assert!(body.collect().await.is_err());
        assert_eq!(ours.collect().await.unwrap().to_bytes(), "hello");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_whose_body_does_not_come_is_the_handlers_to_answer_there_and_408_here() {
        let stalled = || Request::new(MockBody::new(1, secs(2)));
        async fn read<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible>
        where
            B: Body<Error: fmt::Debug>,
        {
            let mut response = Response::default();
            if request.into_body().collect().await.is_err() {
                *response.status_mut() = http::StatusCode::BAD_REQUEST;
            }
            Ok(response)
        }
        let theirs = tower_http::timeout::RequestBodyTimeoutLayer::new(secs(1)).layer(service_fn(read));
        assert_eq!(theirs.oneshot(stalled()).await.unwrap().status(), 400);
        let ours = RequestBodyTimeoutLayer::new(secs(1)).layer(service_fn(read));
        assert_eq!(ours.oneshot(stalled()).await.unwrap().status(), 408);
    }
}
