//! The deadline, as a handler sees it, and as it tells it on.

use std::{error::Error, fmt};

use http::{HeaderMap, Request};
use macadam_core::{RequestContext, context::InContext};
use tokio::time::{Duration, Instant};

use crate::header::TimeoutHeader;

/// The deadline of one request: read, and moved, from wherever the request is handled, other tasks included.
///
/// It is there once a layer outside has made the request's context: with [`TimeoutLayer::expose`], with `macadam`, or
/// with a layer such as `macadam-request-id`. With the feature `axum` it is an extractor.
///
/// Ask for it before the request, or a task that works for it, goes to another task than the one that the request is
/// polled in: from then on the layer outside listens for moves out of others. One that was not asked for until there
/// may be earlier only from the layer's next poll on.
///
/// [`TimeoutLayer::expose`]: crate::TimeoutLayer::expose
#[derive(Clone, Debug)]
pub struct Deadline {
    context: RequestContext,
}

impl Deadline {
    /// The deadline of this request, if it has a context to keep one in.
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        RequestContext::get(request).map(Self::in_context)
    }

    /// The deadline of the request that the running code works for: inside a [`CurrentLayer`], a
    /// [`scope`](Self::scope), or a task that was [spawned](crate::spawn_with_context) there.
    ///
    /// [`CurrentLayer`]: crate::CurrentLayer
    pub fn current() -> Option<Self> {
        RequestContext::current().map(|context| Self::in_context(&context))
    }

    pub(crate) fn in_context(context: &RequestContext) -> Self {
        context.announce_moves();
        Self { context: context.clone() }
    }

    /// When it passes. `None` if the request may take for ever.
    pub fn instant(&self) -> Option<Instant> {
        self.context.deadline()
    }

    /// How long it is from now until it passes, zero if it has. `None` if the request may take for ever.
    pub fn remaining(&self) -> Option<Duration> {
        self.instant().map(|at| at.saturating_duration_since(Instant::now()))
    }

    /// Moves it, earlier or later, or takes it away, and says where it was. One that was inherited from a caller stays.
    pub fn set(&self, at: Option<Instant>) -> Option<Instant> {
        self.context.set_deadline(at)
    }

    /// Moves it to `timeout` from now. One that was inherited from a caller stays.
    pub fn set_from_now(&self, timeout: Duration) {
        // Beyond what can be counted there is none.
        self.context.set_deadline(Instant::now().checked_add(timeout));
    }

    /// Moves it later by so much. One that was inherited from a caller stays.
    pub fn extend(&self, by: Duration) {
        self.context.extend_deadline(by);
    }

    /// Takes it away, for work that nothing may interrupt, and says where it was: [`set`](Self::set) puts it back.
    pub fn disable(&self) -> Option<Instant> {
        self.context.set_deadline(None)
    }

    /// Ready when no more than `lead` is left: for a handler that would rather come to an end by itself than be
    /// dropped. Pending for ever where there is no deadline.
    ///
    /// Whoever waits for it pays for a timer, and hears of a deadline that is moved.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use macadam_timeouts::Deadline;
    /// # async fn search(_: &str) -> String { String::new() }
    /// # async fn handler(deadline: Deadline) -> String {
    /// tokio::select! {
    ///     found = search("all") => found,
    ///     () = deadline.approaches(Duration::from_millis(200)) => String::from("what was found so far"),
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and asked for again at any time.
    pub async fn approaches(&self, lead: Duration) {
        loop {
            // Asked for before the deadline is read: a move in between is heard.
            let moved = self.context.deadline_moved();
            match self.context.expires_at() {
                Some(at) => {
                    let left = at.saturating_duration_since(Instant::now());
                    let Some(wait) = left.checked_sub(lead).filter(|wait| !wait.is_zero()) else { return };
                    let _ = tokio::time::timeout(wait, moved).await;
                }
                None => moved.await,
            }
        }
    }

    /// Runs `future` with this deadline as the [current](Self::current) one: a task of a `JoinSet`, for one.
    pub fn scope<F>(&self, future: F) -> InContext<F> {
        self.context.scope(future)
    }

    /// Tells the next hop what is left, less `slack` for the way there and back, and returns what it was told: the caller
    /// should wait no longer than that either. `None`, and no header, if the request may take for ever.
    ///
    /// It is never told more than is left, and what another hop has said in this header is replaced.
    ///
    /// # Errors
    ///
    /// Where nothing is left, or less than the header can say. Then it is not written, and there is no use in sending the
    /// request.
    pub fn write(
        &self,
        headers: &mut HeaderMap,
        header: &TimeoutHeader,
        slack: Duration,
    ) -> Result<Option<Duration>, Expired> {
        let Some(left) = self.remaining() else { return Ok(None) };
        let left = left.saturating_sub(slack);
        headers.insert(header.name(), header.value(left).ok_or(Expired)?);
        Ok(Some(left))
    }
}

/// Nothing is left of the deadline that the next hop could be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expired;

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the deadline has passed: there is no time left for a request to the next hop")
    }
}

impl Error for Expired {}
