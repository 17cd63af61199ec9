//! A check that blocks its thread, in real threads and real time.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod ask;

use std::{
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::Duration,
};

use macadam_health::{Check, Health, Outcome, Probe, Status};
use tokio::{
    runtime::{Builder, Runtime},
    time::{Instant, sleep, timeout},
};

use self::ask::ask;

const TICK: Duration = Duration::from_millis(10);
const TIMEOUT: Duration = Duration::from_millis(50);
/// What a run may be late on top of its timeout, before it is taken for stuck.
const GRACE: Duration = Duration::from_secs(1);
/// Far beyond anything that is waited for here.
const PATIENCE: Duration = Duration::from_secs(30);

/// A check that blocks its thread until it is let go, and passes when nobody can hold it any more.
fn blocker() -> (Check, SyncSender<()>, Arc<AtomicUsize>) {
    let (let_go, held) = sync_channel::<()>(0);
    let held: Arc<Mutex<Receiver<()>>> = Arc::new(Mutex::new(held));
    let most = Arc::new(AtomicUsize::new(0));
    let (running, seen) = (Arc::new(AtomicUsize::new(0)), Arc::clone(&most));
    let check = Check::new("it", move || {
        let (running, seen, held) = (Arc::clone(&running), Arc::clone(&seen), Arc::clone(&held));
        async move {
            seen.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            let _ = held.lock().unwrap().recv();
            running.fetch_sub(1, SeqCst);
            Ok::<_, Infallible>(())
        }
    });
    (check.timeout(TIMEOUT).interval(TICK).initially(true), let_go, most)
}

fn counter() -> (Check, Arc<AtomicUsize>) {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    let check = Check::new("other", move || {
        count.fetch_add(1, SeqCst);
        async { Ok::<_, Infallible>(()) }
    });
    (check.interval(TICK), runs)
}

fn runtime_of_one_worker() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap()
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn a_check_that_blocks_its_thread_is_told_as_stuck_with_its_age_and_holds_up_nothing() {
    let elsewhere = runtime_of_one_worker();
    let (blocks, let_go, most) = blocker();
    let (counts, runs) = counter();
    let health = Health::builder().check(blocks.failure_threshold(1)).check(counts).build().unwrap();
    let begun = Instant::now();
    let schedule = {
        let _in_there = elsewhere.enter();
        health.spawn()
    };

    // Nobody but the waiting itself sees that it is stuck.
    let seen = health.version();
    let mut version = seen;
    while health.is_ready() || version == seen {
        version = timeout(PATIENCE, health.changed(version)).await.unwrap();
    }
    assert!(begun.elapsed() >= TIMEOUT + GRACE, "{:?}", begun.elapsed());
    let (status, text) = ask(&health, "/readyz").await;
    assert_eq!(status, 503);
    assert!(text.contains("[-]it failed: stuck for "), "{text}");
    let snapshot = health.snapshot();
    let it = &snapshot.checks[0];
    assert!(it.stuck_for.unwrap() >= TIMEOUT + GRACE && it.running_for.unwrap() >= TIMEOUT + GRACE, "{it:?}");
    assert_eq!((it.runs, it.flips), (0, 1));

    // The only worker is free all the same.
    let before = runs.load(SeqCst);
    until("the other check runs on", || runs.load(SeqCst) > before + 5).await;

    // Let go, the run is back too late, and the next one passes.
    drop(let_go);
    until("it recovers", || health.is_ready()).await;
    let it = health.snapshot().checks.swap_remove(0);
    assert_eq!((it.history[0].outcome, it.stuck_for), (Outcome::TimedOut, None));
    assert_eq!(most.load(SeqCst), 1, "it never ran twice at a time");
    drop(schedule);
    elsewhere.shutdown_background();
}

#[tokio::test]
async fn a_stuck_run_counts_once_more_each_time_that_another_would_have_timed_out() {
    let elsewhere = runtime_of_one_worker();
    let (blocks, let_go, _) = blocker();
    let another = Duration::from_millis(250);
    let blocks = blocks
        .liveness()
        .interval(PATIENCE)
        .interval_while_down(another - TIMEOUT)
        .failure_threshold(3)
        .jitter(0.0);
    let health = Health::builder().check(blocks).build().unwrap();
    let begun = Instant::now();
    let _schedule = {
        let _in_there = elsewhere.enter();
        health.spawn()
    };
    until("it is down", || {
        let it = health.snapshot().checks.swap_remove(0);
        assert!(it.is_up() || begun.elapsed() >= TIMEOUT + GRACE + 2 * another, "{it:?}");
        !it.is_up()
    })
    .await;
    drop(let_go);
    elsewhere.shutdown_background();
}

#[test]
fn a_runtime_that_stands_still_is_told_as_stuck_and_kills_no_process() {
    let still = Builder::new_current_thread().enable_time().build().unwrap();
    // Long enough for a run on a busy machine.
    let patient = 10 * TIMEOUT;
    let check = counter().0.timeout(patient).failure_threshold(1);
    let live = Check::new("live", async || Ok::<_, Infallible>(())).liveness();
    let live = live.interval(TICK).timeout(patient).failure_threshold(1);
    let health = Health::builder().check(check).check(live).build().unwrap();
    // Nobody drives it after that.
    let schedule = still.block_on(async {
        let schedule = health.spawn();
        until("it runs", || health.is_ready()).await;
        schedule
    });
    let looking = Builder::new_current_thread().enable_time().build().unwrap();
    looking.block_on(until("it is stuck", || !health.is_ready()));
    let it = health.snapshot().checks.swap_remove(0);
    assert!(it.stuck_for.is_some() && it.running_for.is_none(), "{it:?}");
    looking.block_on(async { sleep(5 * TIMEOUT).await });
    assert_eq!(health.status(Probe::Liveness), Status::Pass);

    // Driven again, it is up again.
    still.block_on(until("it recovers", || health.is_ready()));
    // What nobody runs is not awaited.
    drop(schedule);
    still.block_on(async { sleep(2 * patient + GRACE).await });
    assert!(health.is_ready() && health.snapshot().checks[0].stuck_for.is_none());
}
