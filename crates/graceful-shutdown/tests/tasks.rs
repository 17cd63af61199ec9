//! Background tasks: told, waited for, cut, and named.

use std::{convert::Infallible, future, time::Duration};

use macadam_core::{Gauges, Phase};
use macadam_graceful_shutdown::{
    Draining, Hook, LostTask, Report, Shutdown, ShutdownBuilder, ShutdownHandle,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep},
};

const A_WHILE: Duration = Duration::from_millis(40);

fn shutdown() -> ShutdownBuilder {
    Shutdown::builder().signals(false).reaper(false).lame_duck(A_WHILE).drain(A_WHILE)
}

async fn serve(draining: Draining) -> Result<(), Infallible> {
    draining.await;
    Ok(())
}

fn names(tasks: &[LostTask]) -> Vec<&str> {
    tasks.iter().map(LostTask::name).collect()
}

fn tasks(handle: &ShutdownHandle) -> (f64, f64) {
    let (mut alive, mut panicked) = (f64::NAN, f64::NAN);
    handle.read(&mut |reading| match reading.name {
        "macadam_tasks" => alive = reading.value,
        "macadam_tasks_panicked_total" => panicked = reading.value,
        _ => {}
    });
    (alive, panicked)
}

#[tokio::test]
async fn a_drain_waits_for_a_task_that_was_told_by_it() {
    let shutdown = shutdown().drain(Duration::from_secs(10)).build().unwrap();
    let handle = shutdown.handle();
    let draining = handle.draining();
    let task = handle.spawn("poller", async move {
        draining.await;
        sleep(A_WHILE).await;
        "what it was worth"
    });
    assert_eq!(tasks(&handle), (1.0, 0.0));
    handle.trigger("enough");
    let report = shutdown.run(serve).await;
    assert_eq!(report.exit_code(), 0, "{report}");
    let (_, drained) = report.phases().iter().find(|(phase, _)| *phase == Phase::Draining).unwrap();
    assert!(*drained >= A_WHILE, "{drained:?}");
    assert!(task.is_finished());
    assert_eq!(task.await.unwrap(), "what it was worth");
    assert_eq!(tasks(&handle), (0.0, 0.0));
}

#[tokio::test]
async fn a_task_that_ends_early_is_fine_and_forgotten() {
    let shutdown = shutdown().build().unwrap();
    let handle = shutdown.handle();
    handle.spawn("short", async {}).await.unwrap();
    assert_eq!(tasks(&handle), (0.0, 0.0));
    handle.trigger("enough");
    assert_eq!(shutdown.run(serve).await.exit_code(), 0);
}

#[tokio::test]
async fn a_task_that_does_not_end_is_cut_with_the_drain_and_named() {
    let shutdown = shutdown().build().unwrap();
    let handle = shutdown.handle();
    let deaf = handle.spawn("deaf", future::pending::<()>());
    handle.trigger("enough");
    let report = shutdown.run(serve).await;
    assert_eq!((names(report.tasks_cut()), report.exit_code()), (vec!["deaf"], 75));
    assert!(report.to_string().contains("\n  cut: task `deaf`, 0."), "{report}");
    assert!(deaf.await.unwrap_err().is_cancelled());
    assert_eq!(tasks(&handle), (0.0, 0.0));
}

#[tokio::test]
async fn a_task_with_a_limit_does_not_hold_the_drain_longer() {
    let shutdown = shutdown().drain(Duration::from_secs(10)).build().unwrap();
    let handle = shutdown.handle();
    handle.task("deaf").limit(A_WHILE).spawn(future::pending::<()>());
    handle.trigger("enough");
    let report = shutdown.run(serve).await;
    assert_eq!((names(report.tasks_cut()), report.exit_code()), (vec!["deaf"], 75));
    let (_, drained) = report.phases().iter().find(|(phase, _)| *phase == Phase::Draining).unwrap();
    assert!((A_WHILE..Duration::from_secs(5)).contains(drained), "{drained:?}");
}

#[tokio::test(start_paused = true)]
async fn a_task_that_outlives_the_requests_is_told_at_cleanup_and_ends_before_its_hooks() {
    let limit = Duration::from_secs(2);
    let began = Instant::now();
    let at_cleanup = Hook::new("close", async move || {
        assert_eq!(began.elapsed(), limit, "the other one was waited for so long");
        Ok::<_, Infallible>(())
    });
    let shutdown = shutdown().hook(at_cleanup.limit(A_WHILE)).build().unwrap();
    let handle = shutdown.handle();
    // Who has the sender is a request; when the last has gone, the writer ends.
    let (sender, mut received) = mpsc::channel::<&str>(1);
    let writer = handle.task("writer").until_cleanup().spawn(async move {
        let mut written = Vec::new();
        while let Some(line) = received.recv().await {
            written.push(line);
        }
        written
    });
    handle.task("deaf").until_cleanup().limit(limit).spawn(future::pending::<()>());
    let server = async move |draining: Draining| {
        draining.await;
        sender.send("one").await.unwrap();
        sender.send("two").await.unwrap();
        Ok::<_, Infallible>(())
    };
    handle.trigger("enough");
    let report = shutdown.run(server).await;
    assert_eq!(writer.await.unwrap(), ["one", "two"]);
    assert!(report.hooks()[0].is_done(), "{report}");
    assert_eq!(names(report.tasks_cut()), ["deaf"]);
}

#[tokio::test]
async fn a_task_has_what_the_hooks_leave_of_the_budget_and_no_more() {
    let hook =
        Hook::new("close", || future::ready(Ok::<_, Infallible>(()))).limit(Duration::from_millis(500));
    let shutdown = shutdown().budget(Duration::from_millis(1_400)).hook(hook).build().unwrap();
    let handle = shutdown.handle();
    handle.task("deaf").until_cleanup().spawn(future::pending::<()>());
    handle.trigger("enough");
    let began = Instant::now();
    let report = shutdown.run(serve).await;
    let took = began.elapsed();
    assert!((800..900).contains(&took.as_millis()), "1400 - 500 - 100 for the exit: {took:?}");
    assert!(report.hooks()[0].is_done(), "{report}");
    assert_eq!((names(report.tasks_cut()), report.exit_code()), (vec!["deaf"], 75));
}

#[tokio::test]
async fn the_last_response_may_leave_a_task_behind_and_the_drain_waits_for_it_too() {
    let shutdown = shutdown().drain(Duration::from_secs(10)).build().unwrap();
    let handle = shutdown.handle();
    handle.trigger("enough");
    let (done, mut is_done) = oneshot::channel();
    let spawner = handle.clone();
    let server = async move |draining: Draining| {
        draining.await;
        sleep(A_WHILE).await;
        spawner.spawn("mail", async move {
            sleep(A_WHILE).await;
            let _ = done.send(());
        });
        Ok::<_, Infallible>(())
    };
    let report = shutdown.run(server).await;
    assert_eq!((is_done.try_recv(), report.exit_code()), (Ok(()), 0));
}

async fn panic(when: impl Future<Output = ()>) {
    when.await;
    panic!("as it was told to");
}

#[tokio::test]
async fn a_panic_is_counted_and_fails_the_shutdown_only_if_it_comes_within() {
    let shutdown = shutdown().drain(Duration::from_secs(10)).build().unwrap();
    let handle = shutdown.handle();
    let early = handle.spawn("early", panic(future::ready(())));
    assert!(early.await.unwrap_err().is_panic(), "whoever awaits it gets the panic");
    assert_eq!(tasks(&handle), (0.0, 1.0));
    handle.spawn("late", panic(handle.draining()));
    handle.spawn("good", handle.draining());
    handle.trigger("enough");
    let report = shutdown.run(serve).await;
    assert_eq!((names(report.tasks_panicked()), report.exit_code()), (vec!["late"], 70));
    assert!(report.to_string().contains("\n  panicked: task `late`, 0."), "{report}");
    assert_eq!(tasks(&handle), (0.0, 2.0));
}

#[tokio::test]
async fn all_tasks_that_were_cut_are_counted_and_32_are_named_the_oldest_first() {
    let shutdown = shutdown().build().unwrap();
    let handle = shutdown.handle();
    for n in 0..40 {
        handle.spawn(n.to_string(), future::pending::<()>());
    }
    handle.trigger("enough");
    let report: Report = shutdown.run(serve).await;
    assert_eq!(names(report.tasks_cut()), (0..32).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(report.to_string().contains("\n  cut: 8 tasks, not named"), "{report}");
}

#[tokio::test]
async fn a_task_that_its_owner_aborted_is_nobodys_loss() {
    let shutdown = shutdown().build().unwrap();
    let handle = shutdown.handle();
    let task = handle.spawn("no longer wanted", future::pending::<()>());
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    handle.trigger("enough");
    let report = shutdown.run(serve).await;
    assert_eq!((names(report.tasks_cut()), report.exit_code()), (vec![], 0));
}
