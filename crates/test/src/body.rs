//! A body that plays a script.

use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::Refused;

/// A body that does what its steps say, one after the other.
///
/// It knows its end, but not its size, unless it is told otherwise.
pub struct ScriptedBody {
    shared: Arc<Mutex<Shared>>,
    exact_size: bool,
    knows_end: bool,
}

/// What a body does next.
#[derive(Clone, Debug)]
pub struct Step(Act);

/// Wakes a body, and tells how it was treated.
#[derive(Clone)]
pub struct BodyHandle {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Clone, Debug)]
enum Act {
    Data(Bytes),
    Pending,
    Trailers(HeaderMap),
    Error,
    Panic,
}

struct Shared {
    steps: VecDeque<Step>,
    /// How many pending steps may be passed.
    wakes: usize,
    waker: Option<Waker>,
    polls: usize,
    polls_after_end: usize,
    dropped: bool,
}

impl Step {
    /// Hands out a frame of data.
    pub fn data(data: impl Into<Bytes>) -> Self {
        Self(Act::Data(data.into()))
    }

    /// Stays pending until [`BodyHandle::wake`] was called once for this step.
    pub fn pending() -> Self {
        Self(Act::Pending)
    }

    /// Hands out trailers.
    pub fn trailers(trailers: HeaderMap) -> Self {
        Self(Act::Trailers(trailers))
    }

    /// Fails with [`Refused`].
    pub fn error() -> Self {
        Self(Act::Error)
    }

    /// Panics.
    pub fn panic() -> Self {
        Self(Act::Panic)
    }
}

impl ScriptedBody {
    /// A body that takes these steps and is over.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let shared = Shared {
            steps: steps.into_iter().collect(),
            wakes: 0,
            waker: None,
            polls: 0,
            polls_after_end: 0,
            dropped: false,
        };
        Self { shared: Arc::new(Mutex::new(shared)), exact_size: false, knows_end: true }
    }

    /// A body of nothing, which is at its end.
    pub fn empty() -> Self {
        Self::new([])
    }

    /// Lets `size_hint` say exactly how many bytes are left.
    #[must_use]
    pub fn exact_size(mut self) -> Self {
        self.exact_size = true;
        self
    }

    /// Lets `is_end_stream` stay false to the end, as it does in a body that finds its end only when polled there.
    #[must_use]
    pub fn unknown_end(mut self) -> Self {
        self.knows_end = false;
        self
    }

    /// A handle on this body.
    pub fn handle(&self) -> BodyHandle {
        BodyHandle { shared: Arc::clone(&self.shared) }
    }
}

impl Default for ScriptedBody {
    fn default() -> Self {
        Self::empty()
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Refused;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut shared = lock(&self.shared);
        shared.polls += 1;
        loop {
            match shared.steps.front() {
                None => {
                    shared.polls_after_end += 1;
                    return Poll::Ready(None);
                }
                Some(Step(Act::Pending)) if shared.wakes == 0 => {
                    shared.waker = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Some(Step(Act::Pending)) => shared.wakes -= 1,
                Some(_) => {}
            }
            match shared.steps.pop_front() {
                Some(Step(Act::Data(data))) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Step(Act::Trailers(trailers))) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                }
                Some(Step(Act::Error)) => {
                    // Nothing comes after an error.
                    shared.steps.clear();
                    return Poll::Ready(Some(Err(Refused)));
                }
                Some(Step(Act::Panic)) => {
                    drop(shared);
                    panic!("the body panics, as the script says");
                }
                Some(Step(Act::Pending)) | None => {}
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_end && lock(&self.shared).steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if self.exact_size {
            SizeHint::with_exact(lock(&self.shared).steps.iter().map(|Step(act)| act.len()).sum())
        } else {
            SizeHint::default()
        }
    }
}

impl Drop for ScriptedBody {
    fn drop(&mut self) {
        lock(&self.shared).dropped = true;
    }
}

impl fmt::Debug for ScriptedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptedBody").field("steps", &lock(&self.shared).steps).finish_non_exhaustive()
    }
}

impl Act {
    fn len(&self) -> u64 {
        if let Self::Data(data) = self { data.len() as u64 } else { 0 }
    }
}

impl BodyHandle {
    /// Lets the body pass one pending step, now or when it gets there.
    pub fn wake(&self) {
        let waker = {
            let mut shared = lock(&self.shared);
            shared.wakes += 1;
            shared.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the body is dropped.
    pub fn is_dropped(&self) -> bool {
        lock(&self.shared).dropped
    }

    /// How often the body was polled.
    pub fn polls(&self) -> usize {
        lock(&self.shared).polls
    }

    /// How often the body was polled when it had no step left. A body read to its `None` was once.
    pub fn polls_after_end(&self) -> usize {
        lock(&self.shared).polls_after_end
    }
}

impl fmt::Debug for BodyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyHandle")
            .field("is_dropped", &self.is_dropped())
            .field("polls", &self.polls())
            .finish_non_exhaustive()
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
