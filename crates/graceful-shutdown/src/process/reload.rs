//! What a process does on SIGHUP: it goes on serving, by what it is told now.

use std::{borrow::Cow, error::Error, fmt, pin::Pin, sync::Arc, time::Duration};

use macadam_core::Phase;
use tokio::time::{Instant, timeout};

#[cfg(all(unix, feature = "systemd"))]
use super::systemd::Systemd;
use crate::course::Course;

type BoxError = Box<dyn Error + Send + Sync>;
type Running = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// A named action with a limit, that may be asked for again and again.
pub(crate) struct Reload {
    name: Cow<'static, str>,
    limit: Duration,
    start: Box<dyn Fn() -> Running + Send + Sync>,
}

impl Reload {
    pub(crate) fn new<H, F, E>(name: Cow<'static, str>, limit: Duration, hook: H) -> Self
    where
        H: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let start = Box::new(move || -> Running {
            let run = hook();
            Box::pin(async { run.await.map_err(Into::into) })
        });
        Self { name, limit, start }
    }

    /// Runs it as a task, so that neither its panic nor its blocking takes the rest along; says whether it is done.
    async fn run(&self) -> bool {
        let (hook, began) = (&*self.name, Instant::now());
        let mut task = tokio::spawn((self.start)());
        let failure: BoxError = match timeout(self.limit, &mut task).await {
            Ok(Ok(Ok(()))) => {
                tracing::info!(hook, seconds = began.elapsed().as_secs_f64(), "reloaded");
                return true;
            }
            Ok(Ok(Err(error))) => error,
            Ok(Err(error)) => error.into(),
            Err(_) => {
                task.abort();
                "cut at its limit".into()
            }
        };
        tracing::error!(hook, error = %failure, "a reload has failed, what was there stays");
        false
    }
}

impl fmt::Debug for Reload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").field("name", &self.name).field("limit", &self.limit).finish_non_exhaustive()
    }
}

/// Reloads whenever that is asked for, until the shutdown begins.
pub(crate) struct Reloader {
    pub(crate) course: Arc<Course>,
    pub(crate) hooks: Vec<Reload>,
    #[cfg(all(unix, feature = "systemd"))]
    pub(crate) systemd: Option<Systemd>,
}

impl Reloader {
    pub(crate) async fn listen(self) {
        loop {
            tokio::select! {
                biased;
                // A process on its way out has no use for it.
                _ = self.course.phase().reached(Phase::LameDuck) => return,
                () = self.course.reload_asked() => self.reload().await,
            }
        }
    }

    async fn reload(&self) {
        #[cfg(all(unix, feature = "systemd"))]
        self.systemd.iter().for_each(Systemd::reloading);
        let mut failed = Vec::new();
        // One after the other, in the order in which they were added: a later one may stand on an earlier one.
        for hook in &self.hooks {
            if !hook.run().await {
                failed.push(&*hook.name);
            }
        }
        if self.hooks.is_empty() {
            tracing::info!("a reload was asked for, and nothing is there to be reloaded");
        }
        #[cfg(all(unix, feature = "systemd"))]
        self.systemd.iter().for_each(|systemd| systemd.reloaded(&failed));
    }
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, future, sync::Mutex};

    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(1);
    const TICK: Duration = Duration::from_millis(1);

    /// A reloader whose last hook notes when it ran, and those times.
    fn reloader(hooks: Vec<Reload>) -> (Arc<Course>, Arc<Mutex<Vec<Instant>>>) {
        let (course, ran): (_, Arc<Mutex<Vec<_>>>) = (Arc::new(Course::new()), Arc::default());
        let noted = Arc::clone(&ran);
        let last = Reload::new("last".into(), LIMIT, move || {
            noted.lock().unwrap().push(Instant::now());
            future::ready(Ok::<_, Infallible>(()))
        });
        let reloader = Reloader {
            course: Arc::clone(&course),
            hooks: hooks.into_iter().chain([last]).collect(),
            #[cfg(all(unix, feature = "systemd"))]
            systemd: None,
        };
        tokio::spawn(reloader.listen());
        (course, ran)
    }

    #[tokio::test(start_paused = true)]
    async fn a_reload_that_hangs_is_cut_at_its_limit_and_the_next_one_runs() {
        let hangs = Reload::new("hangs".into(), LIMIT, future::pending::<Result<(), Infallible>>);
        let fails = Reload::new("fails".into(), LIMIT, || future::ready(Err("no")));
        let (course, ran) = reloader(vec![hangs, fails]);
        course.ask_reload();
        sleep(LIMIT - TICK).await;
        assert_eq!(ran.lock().unwrap().len(), 0);
        sleep(2 * TICK).await;
        assert_eq!(ran.lock().unwrap().len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_are_asked_for_while_one_runs_are_one_more() {
        let slow = Reload::new("slow".into(), LIMIT, || async {
            sleep(LIMIT / 2).await;
            Ok::<_, Infallible>(())
        });
        let (course, ran) = reloader(vec![slow]);
        course.ask_reload();
        sleep(TICK).await;
        (0..3).for_each(|_| course.ask_reload());
        sleep(10 * LIMIT).await;
        assert_eq!(ran.lock().unwrap().len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn on_its_way_out_a_process_reloads_nothing() {
        let (course, ran) = reloader(Vec::new());
        sleep(TICK).await;
        course.enter(Phase::LameDuck, None);
        course.ask_reload();
        sleep(LIMIT).await;
        assert_eq!(ran.lock().unwrap().len(), 0);
    }
}
