//! What else has to be done before the process may go.

use std::{borrow::Cow, error::Error, fmt, pin::Pin, time::Duration};

use tokio::{
    task::{AbortHandle, JoinSet},
    time::{Instant, timeout},
};

use super::order::{Begin, Needs};

type BoxError = Box<dyn Error + Send + Sync>;
type Running = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A named action of a shutdown, for when nothing is in flight any more, unless it says otherwise.
///
/// Hooks run at the same time, each as a task of its own, and all of them whatever became of the others. A hook fails
/// by its error, by a panic, or by its limit.
///
/// ```
/// # use std::{convert::Infallible, time::Duration};
/// # use macadam_graceful_shutdown::{Hook, Shutdown};
/// # async fn leave() -> Result<(), Infallible> { Ok(()) }
/// # async fn flush() -> Result<(), Infallible> { Ok(()) }
/// # async fn close() -> Result<(), Infallible> { Ok(()) }
/// let shutdown = Shutdown::builder()
///     .hook(Hook::new("leave the registry", leave).at_lame_duck())
///     .hook(Hook::new("flush outbox", flush).limit(Duration::from_secs(1)))
///     .hook(Hook::new("close pool", close).after("flush outbox"))
///     .build()?;
/// # Ok::<(), macadam_graceful_shutdown::ConfigError>(())
/// ```
#[must_use = "a hook runs only in a shutdown that has it"]
pub struct Hook {
    pub(crate) name: Cow<'static, str>,
    pub(crate) limit: Option<Duration>,
    pub(crate) begin: Begin,
    pub(crate) after: Vec<Cow<'static, str>>,
    start: Box<dyn FnOnce() -> Running + Send>,
}

/// What became of a hook.
#[derive(Debug)]
pub struct HookReport {
    name: Cow<'static, str>,
    took: Duration,
    end: HookEnd,
}

/// How a hook ended.
#[derive(Debug)]
#[non_exhaustive]
pub enum HookEnd {
    /// It is done.
    Done,
    /// It returned an error.
    Failed(BoxError),
    /// It panicked.
    Panicked,
    /// It was cut at its limit.
    TimedOut,
}

impl Hook {
    /// A hook that begins with [`Cleanup`](macadam_core::Phase::Cleanup): when nothing is in flight, and every
    /// [task](crate::ShutdownHandle::spawn) and every hook of an earlier phase has ended.
    pub fn new<H, F, E>(name: impl Into<Cow<'static, str>>, run: H) -> Self
    where
        H: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let start = Box::new(|| -> Running { Box::pin(async { run().await.map_err(Into::into) }) });
        Self { name: name.into(), limit: None, begin: Begin::Cleanup, after: Vec::new(), start }
    }

    /// How long it may take, from its own start to its end. The budget has room for it.
    ///
    /// Default: what the phases and the other hooks leave of the budget, and for one that begins with an earlier phase,
    /// what is left then of the longest lame duck and drain; shared equally with those that it waits for.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Begins with the lame duck instead, or with draining where that is left out: to leave a registry, say.
    ///
    /// Requests go on meanwhile. It may last longer than that phase; what begins with cleanup waits for it.
    pub fn at_lame_duck(mut self) -> Self {
        self.begin = Begin::LameDuck;
        self
    }

    /// Begins with draining instead: to take nothing more from a queue, say.
    pub fn at_draining(mut self) -> Self {
        self.begin = Begin::Draining;
        self
    }

    /// Begins when all others have ended, but those that are last as well: to flush logs and traces, which tell of the
    /// others.
    pub fn last(mut self) -> Self {
        self.begin = Begin::Last;
        self
    }

    /// Begins when every hook of this name has ended, too, whatever became of it.
    pub fn after(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.after.push(name.into());
        self
    }

    /// What the order of the hooks is made of.
    pub(crate) fn needs(&self) -> Needs<'_> {
        Needs { name: &self.name, begin: self.begin, after: &self.after }
    }

    /// Runs the hook as a task, so that neither its panic nor its blocking takes the rest along. Dropped, it ends it.
    pub(crate) async fn run(self, limit: Duration, begun: impl FnOnce(AbortHandle)) -> HookReport {
        let Self { name, start, .. } = self;
        let began = Instant::now();
        // A set of one, since a set aborts what it holds when it is dropped.
        let mut task = JoinSet::new();
        begun(task.spawn(async move { start().await }));
        let end = match timeout(limit, task.join_next()).await {
            Ok(Some(Ok(Err(error)))) => HookEnd::Failed(error),
            Ok(Some(Err(error))) if error.is_panic() => HookEnd::Panicked,
            Ok(Some(Err(error))) => HookEnd::Failed(error.into()),
            Ok(Some(Ok(Ok(()))) | None) => HookEnd::Done,
            Err(_) => HookEnd::TimedOut,
        };
        HookReport { name, took: began.elapsed(), end }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook")
            .field("name", &self.name)
            .field("limit", &self.limit)
            .field("begin", &self.begin)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

impl HookReport {
    /// The hook's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How long it took, from its start to its end or its limit.
    pub fn took(&self) -> Duration {
        self.took
    }

    /// How it ended.
    pub fn end(&self) -> &HookEnd {
        &self.end
    }

    /// Whether it did what it was there for.
    pub fn is_done(&self) -> bool {
        matches!(self.end, HookEnd::Done)
    }
}

impl fmt::Display for HookReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, took, end } = self;
        write!(f, "hook `{name}`: {end} after {:.3} s", took.as_secs_f64())
    }
}

impl fmt::Display for HookEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Failed(error) => write!(f, "failed ({error})"),
            Self::Panicked => f.write_str("panicked"),
            Self::TimedOut => f.write_str("cut at its limit"),
        }
    }
}
