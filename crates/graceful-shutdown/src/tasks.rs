//! What a service does besides answering requests.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::Duration,
};

use macadam_core::Phase;
use tokio::{
    sync::Notify,
    task::{AbortHandle, JoinHandle},
    time::{Instant, timeout_at},
};

use crate::{course::Course, requests::Roll};

/// A task of the service's own that is about to be spawned, by [`ShutdownHandle::task`](crate::ShutdownHandle::task).
#[derive(Debug)]
#[must_use = "nothing runs before it is spawned"]
pub struct TaskBuilder {
    course: Arc<Course>,
    name: Cow<'static, str>,
    until: Phase,
    limit: Option<Duration>,
}

/// A task that a shutdown did not see to its end, or that panicked in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostTask {
    name: Cow<'static, str>,
    age: Duration,
}

impl TaskBuilder {
    pub(crate) fn new(course: &Arc<Course>, name: Cow<'static, str>) -> Self {
        Self { course: Arc::clone(course), name, until: Phase::Draining, limit: None }
    }

    /// How long it may go on after it was told to end. Default: as long as there is time; it is then aborted.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// It has to end with [`Cleanup`](Phase::Cleanup) instead, when nothing is in flight any more: for what requests
    /// hand something to.
    ///
    /// It is told by `handle.watch().reached(Phase::Cleanup)`, or by its channel when the last request has gone. It
    /// has what the hooks leave of the budget, and those of cleanup wait for it.
    pub fn until_cleanup(mut self) -> Self {
        self.until = Phase::Cleanup;
        self
    }

    /// Spawns it on the current runtime, as `tokio::spawn` does.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn<F>(self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let Self { course, name, until, limit } = self;
        let number = course.tasks.enter(name, until, limit);
        let place = Place { course: Arc::clone(&course), number };
        let task = tokio::spawn(async move {
            let place = place;
            let mut future = pin!(future);
            // It is the runtime's to catch a panic, and to give it to who awaits the task; ours is to say so at once.
            let polled = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                Ok(poll) => poll.map(Ok),
                Err(panic) => Poll::Ready(Err(panic)),
            });
            polled.await.unwrap_or_else(|panic| {
                place.course.tasks.panicked(place.number, place.course.phase().current());
                resume_unwind(panic)
            })
        });
        course.tasks.can_abort(number, task.abort_handle());
        task
    }
}

/// The tasks of a service that have not ended.
#[derive(Debug, Default)]
pub(crate) struct Tasks {
    table: Mutex<Table>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    /// By number, so that the oldest come first.
    alive: BTreeMap<u64, Entry>,
    spawned: u64,
    panics: u64,
    lost: Lost,
}

/// Those that a shutdown lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost {
    pub(crate) cut: Roll<LostTask>,
    pub(crate) panicked: Roll<LostTask>,
}

#[derive(Debug)]
struct Entry {
    name: Cow<'static, str>,
    began: Instant,
    until: Phase,
    limit: Option<Duration>,
    abort: Option<AbortHandle>,
    cut: bool,
}

/// A task's place in the table, left when its future is dropped.
#[derive(Debug)]
struct Place {
    course: Arc<Course>,
    number: u64,
}

/// A task that has not ended.
#[derive(Debug)]
pub(crate) struct LeftTask {
    task: LostTask,
    cut: bool,
}

impl Tasks {
    fn enter(&self, name: Cow<'static, str>, until: Phase, limit: Option<Duration>) -> u64 {
        let mut table = self.lock();
        let number = table.spawned;
        table.spawned += 1;
        let entry = Entry { name, began: Instant::now(), until, limit, abort: None, cut: false };
        table.alive.insert(number, entry);
        number
    }

    /// It may have ended by now, or have been cut.
    fn can_abort(&self, number: u64, abort: AbortHandle) {
        let mut table = self.lock();
        match table.alive.get_mut(&number) {
            Some(entry) if entry.cut => {
                drop(table);
                abort.abort();
            }
            Some(entry) => entry.abort = Some(abort),
            None => {}
        }
    }

    fn panicked(&self, number: u64, phase: Phase) {
        let mut table = self.lock();
        table.panics += 1;
        let Some(entry) = table.alive.get(&number) else { return };
        let (task, cut) = (entry.lost(), entry.cut);
        // What panicked before the shutdown is none of its business.
        if phase > Phase::Serving && !cut {
            table.lost.panicked.add(Some(task.clone()));
        }
        drop(table);
        tracing::error!(task = task.name(), age_seconds = task.age.as_secs_f64(), "a task has panicked");
    }

    /// How many have not ended.
    pub(crate) fn len(&self) -> usize {
        self.lock().alive.len()
    }

    /// How many have panicked so far.
    pub(crate) fn panics(&self) -> u64 {
        self.lock().panics
    }

    /// Those that have not ended, cut ones among them.
    pub(crate) fn left(&self) -> Roll<LeftTask> {
        let mut left = Roll::default();
        for entry in self.lock().alive.values() {
            left.add(Some(LeftTask { task: entry.lost(), cut: entry.cut }));
        }
        left
    }

    /// Those that were cut, and that panicked since the shutdown began.
    pub(crate) fn lost(&self) -> Lost {
        self.lock().lost.clone()
    }

    /// Waits until those that have to end in this phase have ended. Cuts each at its limit, which runs from `told`,
    /// and at `latest`.
    pub(crate) async fn end(&self, until: Phase, told: Instant, latest: Option<Instant>) {
        loop {
            // Made before the look, it hears every change after it.
            let changed = self.changed.notified();
            let (left, next) = self.cut_overdue(until, told, latest);
            match next {
                _ if left == 0 => return,
                Some(at) => drop(timeout_at(at, changed).await),
                None => changed.await,
            }
        }
    }

    /// Cuts those that had to end in this phase.
    pub(crate) fn cut(&self, until: Phase) {
        let now = Instant::now();
        self.cut_overdue(until, now, Some(now));
    }

    /// Cuts those whose time is over; says how many are left, and when the next one's will be.
    fn cut_overdue(&self, until: Phase, told: Instant, latest: Option<Instant>) -> (usize, Option<Instant>) {
        let now = Instant::now();
        let (mut left, mut next, mut overdue) = (0, None, Vec::new());
        let mut table = self.lock();
        let Table { alive, lost, .. } = &mut *table;
        for entry in alive.values_mut().filter(|entry| entry.until == until && !entry.cut) {
            let own = entry.limit.and_then(|limit| told.checked_add(limit));
            let end = own.into_iter().chain(latest).min();
            if end.is_some_and(|end| end <= now) {
                entry.cut = true;
                let task = entry.lost();
                lost.cut.add(Some(task.clone()));
                overdue.push((task, entry.abort.take()));
            } else {
                left += 1;
                next = next.into_iter().chain(end).min();
            }
        }
        // Not under the lock: what is aborted may be dropped here and now, and leaves the table.
        drop(table);
        for (task, abort) in overdue {
            tracing::warn!(task = task.name(), age_seconds = task.age.as_secs_f64(), "a task was cut");
            abort.iter().for_each(AbortHandle::abort);
        }
        (left, next)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn lost(&self) -> LostTask {
        LostTask { name: self.name.clone(), age: self.began.elapsed() }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let tasks = &self.course.tasks;
        let entry = tasks.lock().alive.remove(&self.number);
        drop(entry);
        tasks.changed.notify_waiters();
    }
}

impl LostTask {
    /// The task's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How old it was, from its spawn until it was cut or panicked.
    pub fn age(&self) -> Duration {
        self.age
    }
}

impl LeftTask {
    /// Logs that it was cut, with the process.
    pub(crate) fn tell(&self) {
        let LostTask { name, age } = &self.task;
        tracing::error!(
            task = &**name,
            age_seconds = age.as_secs_f64(),
            blocks_its_thread = self.cut,
            "a task was cut"
        );
    }
}

impl fmt::Display for LostTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "task `{}`, {:.3} s old", self.name, self.age.as_secs_f64())
    }
}

impl fmt::Display for LeftTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.task.fmt(f)?;
        f.write_str(if self.cut { ", aborted, and blocking its thread" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_task_is_cut_at_its_limit_after_it_was_told_and_not_a_tick_before() {
        let (limit, tick) = (Duration::from_secs(2), Duration::from_millis(1));
        for (takes, latest, lost) in [
            (limit - tick, None, 0),
            (limit + tick, None, 1),
            (limit - 2 * tick, Some(limit - tick), 0),
            (limit, Some(limit - tick), 1),
        ] {
            let course = Arc::new(Course::new());
            let told = Instant::now();
            TaskBuilder::new(&course, "task".into()).limit(limit).spawn(sleep(takes));
            course.tasks.end(Phase::Draining, told, latest.map(|latest| told + latest)).await;
            assert_eq!(course.tasks.lost().cut.total, lost, "{takes:?} of {latest:?}");
            assert_eq!(told.elapsed(), takes.min(latest.unwrap_or(limit)));
        }
    }
}
