//! The tasks that run the checks.

use std::{
    borrow::Cow,
    future::poll_fn,
    iter,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::{JoinSet, block_in_place},
    time::{self, Instant},
};

use crate::{check::Finding, entry::Entry, health::Health, jitter::Jitter, probe::Probe, snapshot::Outcome};

/// Checks that are being run. When it is dropped they stop, in the middle of a run too; what they last found stays.
#[derive(Debug)]
#[must_use = "the checks stop when this is dropped"]
pub struct Schedule {
    _tasks: JoinSet<()>,
}

impl Schedule {
    pub(crate) fn spawn(health: &Health, seed: u64) -> Self {
        let seeds = iter::successors(Some(seed), |seed| Some(seed.wrapping_add(1)));
        let mut tasks: JoinSet<()> = health
            .entries()
            .iter()
            .zip(seeds)
            .map(|(entry, seed)| keep_checking(Arc::clone(entry), Jitter::new(seed)))
            .collect();
        if !tasks.is_empty() {
            tasks.spawn(tell_of_changes(health.clone()));
        }
        Self { _tasks: tasks }
    }
}

/// Logs also what no run ends with: that one is stuck.
async fn tell_of_changes(health: Health) {
    let mut seen = health.version();
    loop {
        seen = health.changed(seen).await;
        health.entries().iter().for_each(|entry| entry.tell());
    }
}

async fn keep_checking(entry: Arc<Entry>, mut jitter: Jitter) {
    // Aborting a task does not wait for its end: an earlier schedule's run may not be over yet.
    let _turn = entry.turn.lock().await;
    // Dropped before the turn is given to the next.
    let _rest = Rest(&entry);
    let check = &entry.check;
    entry.is_run();
    // What began at one moment goes on spread over a whole pause.
    let mut spread = if check.jitter > 0.0 { 1.0 } else { 0.0 };
    loop {
        let began = entry.visit(|record, now| {
            record.begin(now);
            now
        });
        let (outcome, finding) = run(&entry, began).await;
        let pause = entry.visit(|record, now| {
            record.end(now, outcome, finding);
            if check.probe == Probe::Startup && record.is_up() {
                return None;
            }
            let interval = if record.is_steady() { check.interval } else { check.down_interval() };
            let pause = jitter.shorten(interval, spread);
            record.expect_after(now, pause);
            Some(pause)
        });
        // What was held back because it changed too often is told in the end.
        entry.tell();
        let Some(pause) = pause else { return };
        spread = check.jitter;
        time::sleep(pause).await;
    }
}

/// Says, at the latest when it is dropped, that nobody runs the check.
struct Rest<'a>(&'a Entry);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.visit(|record, _| record.rest());
    }
}

async fn run(entry: &Entry, began: Instant) -> (Outcome, Finding) {
    let check = &entry.check;
    // The run is made and dropped in here, so that a panic in either is caught below too.
    let run = async {
        match time::timeout(check.timeout, (check.run)()).await {
            // A run that held its thread is back too late all the same.
            Ok(_) if began.elapsed() > check.timeout => timed_out(),
            Ok(Ok(())) => (Outcome::Passed, Ok(())),
            Ok(Err(reason)) => (Outcome::Failed, Err(reason)),
            Err(_) => timed_out(),
        }
    };
    let mut run = pin!(run);
    poll_fn(|cx| {
        entry.set_polled(true);
        let polled = catch_unwind(AssertUnwindSafe(|| aside(|| run.as_mut().poll(cx))));
        entry.set_polled(false);
        polled.unwrap_or(Poll::Ready((Outcome::Panicked, Err(Cow::Borrowed("panicked")))))
    })
    .await
}

fn timed_out() -> (Outcome, Finding) {
    (Outcome::TimedOut, Err(Cow::Borrowed("timeout")))
}

/// Lets a check that blocks its thread block no worker: the others go on without this one. A runtime of one thread has
/// no other.
fn aside<T>(poll: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => block_in_place(poll),
        _ => poll(),
    }
}
