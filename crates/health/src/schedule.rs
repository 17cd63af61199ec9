//! The tasks that run the checks.

use std::{
    borrow::Cow,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tokio::{task::JoinSet, time};

use crate::{
    check::{Check, Finding},
    health::Entry,
    probe::Probe,
};

/// Checks that are being run. When it is dropped they stop, in the middle of a run too; what they last found stays.
#[derive(Debug)]
#[must_use = "the checks stop when this is dropped"]
pub struct Schedule {
    _tasks: JoinSet<()>,
}

impl Schedule {
    pub(crate) fn spawn(entries: &[Arc<Entry>]) -> Self {
        let tasks = entries.iter().map(|entry| keep_checking(Arc::clone(entry)));
        Self { _tasks: tasks.collect() }
    }
}

async fn keep_checking(entry: Arc<Entry>) {
    // Aborting a task does not wait for its end: an earlier schedule's run may not be over yet.
    let _turn = entry.turn.lock().await;
    loop {
        let finding = run(&entry.check).await;
        let passed = finding.is_ok();
        entry.record(finding);
        if passed && entry.check.probe == Probe::Startup {
            return;
        }
        time::sleep(entry.check.interval).await;
    }
}

async fn run(check: &Check) -> Finding {
    // The run is made and dropped in here, so that a panic in either is caught below too.
    let run = async {
        match time::timeout(check.timeout, (check.run)()).await {
            Ok(finding) => finding,
            Err(_) => Err(Cow::Borrowed("timeout")),
        }
    };
    let mut run = pin!(run);
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| run.as_mut().poll(cx)))
            .unwrap_or(Poll::Ready(Err(Cow::Borrowed("panicked"))))
    })
    .await
}
