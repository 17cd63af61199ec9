//! What a snapshot tells of a check.

use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use macadam_health::{Check, Class, Health, Outcome, Probe, Status};
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_snapshot_tells_state_reason_ages_and_counts() {
    let runs = AtomicUsize::new(0);
    let check = Check::new("it", move || {
        let run = runs.fetch_add(1, SeqCst);
        async move {
            match run {
                0..=2 => Ok(()),
                3 => panic!("as told"),
                4 => Err("refused"),
                5 => pending().await,
                _ => {
                    sleep(SECOND / 4).await;
                    Ok(())
                }
            }
        }
    });
    let check = check.interval(2 * SECOND).timeout(SECOND / 2).success_threshold(2).jitter(0.0).degrading();
    let health = Health::builder().check(check).build().unwrap();
    let now = || health.snapshot().checks.swap_remove(0);

    let it = now();
    assert_eq!((it.name.as_str(), it.probe, it.class), ("it", Probe::Readiness, Class::Degrading));
    assert_eq!((it.status, it.reason.as_deref()), (Status::Warn, Some("pending")));
    assert_eq!((it.runs, it.finding_age, it.last_duration, it.running_for), (0, None, None, None));

    // Runs at 0 s and 1 s (down), 3 s (up), 5 s (the first failure).
    let _schedule = health.spawn();
    sleep(SECOND * 7 / 2).await;
    let it = now();
    assert_eq!((it.status, it.reason.as_deref(), it.contradictions), (Status::Pass, None, 0));
    assert_eq!((it.state_age, it.finding_age), (SECOND * 5 / 2, Some(SECOND / 2)));
    assert_eq!((it.runs, it.failures, it.flips), (3, 0, 1));

    sleep(2 * SECOND).await;
    let it = now();
    assert_eq!((it.status, it.reason.as_deref(), it.contradictions), (Status::Pass, Some("panicked"), 1));

    // Those at 6 s (refused) and 7 s (which hangs until 7.5 s) take it down.
    sleep(2 * SECOND - SECOND / 4).await;
    let it = now();
    assert_eq!((it.status, it.reason.as_deref(), it.contradictions), (Status::Pass, Some("refused"), 2));
    assert_eq!(it.running_for, Some(SECOND / 4));
    sleep(SECOND / 2).await;
    let it = now();
    assert_eq!((it.status, it.reason.as_deref(), it.contradictions), (Status::Warn, Some("timeout"), 0));
    assert_eq!((it.state_age, it.last_duration, it.running_for), (SECOND / 4, Some(SECOND / 2), None));
    assert_eq!((it.runs, it.failures, it.timeouts, it.flips), (6, 3, 1, 2));
    let outcomes: Vec<_> = it.history.iter().map(|run| run.outcome).collect();
    use Outcome::{Failed, Panicked, Passed, TimedOut};
    assert_eq!(outcomes, [Passed, Passed, Passed, Panicked, Failed, TimedOut]);
    assert_eq!((it.history[5].age, it.history[5].took), (SECOND / 4, SECOND / 2));

    // One pass is not enough, and the reason stays until it is up.
    sleep(SECOND * 5 / 4).await;
    let it = now();
    assert_eq!((it.status, it.reason.as_deref(), it.contradictions), (Status::Warn, Some("timeout"), 1));
    sleep(SECOND * 5 / 4).await;
    assert_eq!((now().status, now().reason), (Status::Pass, None));
}

#[tokio::test(start_paused = true)]
async fn the_last_32_runs_are_kept() {
    let check = Check::new("it", async || Ok::<_, &str>(())).interval(SECOND).jitter(0.0);
    let health = Health::builder().check(check).build().unwrap();
    let _schedule = health.spawn();
    sleep(100 * SECOND + SECOND / 2).await;
    let it = health.snapshot().checks.swap_remove(0);
    assert_eq!((it.runs, it.history.len()), (101, 32));
    let ages: Vec<_> = it.history.iter().map(|run| run.age.as_secs()).collect();
    assert_eq!(ages, (0..32).rev().collect::<Vec<_>>());
}
