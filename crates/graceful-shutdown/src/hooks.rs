//! What else has to be done before the process may go.

use std::{borrow::Cow, error::Error, fmt, pin::Pin, time::Duration};

use tokio::time::{Instant, timeout};

type BoxError = Box<dyn Error + Send + Sync>;
type Running = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A named action with a limit.
pub(crate) struct Hook {
    pub(crate) name: Cow<'static, str>,
    pub(crate) limit: Duration,
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
    pub(crate) fn new<H, F, E>(name: Cow<'static, str>, limit: Duration, hook: H) -> Self
    where
        H: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let start = Box::new(|| -> Running { Box::pin(async { hook().await.map_err(Into::into) }) });
        Self { name, limit, start }
    }

    /// Runs the hook as a task, so that neither its panic nor its blocking takes the rest along.
    pub(crate) async fn run(self) -> HookReport {
        let Self { name, limit, start } = self;
        let began = Instant::now();
        let mut task = tokio::spawn(async move { start().await });
        let end = match timeout(limit, &mut task).await {
            Ok(Ok(Ok(()))) => HookEnd::Done,
            Ok(Ok(Err(error))) => HookEnd::Failed(error),
            Ok(Err(error)) if error.is_panic() => HookEnd::Panicked,
            Ok(Err(error)) => HookEnd::Failed(error.into()),
            Err(_) => {
                task.abort();
                HookEnd::TimedOut
            }
        };
        HookReport { name, took: began.elapsed(), end }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("name", &self.name).field("limit", &self.limit).finish_non_exhaustive()
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
