//! Who waits is told when an answer is another one, and not before.

mod ask;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use macadam_core::{Phase, PhaseOwner};
use macadam_health::{Check, Health, Latch, Probe, Status};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use self::ask::ask;

const SECOND: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(1);

/// A check that passes while it is told to, and looks every second.
fn switched() -> (Check, Arc<AtomicBool>) {
    let passes = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&passes);
    let check = Check::new("it", move || {
        let passes = told.load(SeqCst);
        async move { if passes { Ok(()) } else { Err("no") } }
    });
    (check.interval(SECOND).jitter(0.0).initially(true), passes)
}

/// Waits for the next change, and says how long after now it came.
fn waiter(health: &Health) -> JoinHandle<Duration> {
    let (health, began) = (health.clone(), Instant::now());
    let seen = health.version();
    tokio::spawn(async move {
        assert!(health.changed(seen).await > seen);
        began.elapsed()
    })
}

#[tokio::test(start_paused = true)]
async fn the_version_moves_with_a_check_s_flips_and_with_no_other_result() {
    let (check, passes) = switched();
    let health = Health::builder().check(check.failure_threshold(3)).build().unwrap();
    let _schedule = health.spawn();
    let seen = health.version();
    sleep(10 * SECOND + TICK).await;
    assert_eq!(health.version(), seen);

    // The runs at 11, 12 and 13 s fail.
    passes.store(false, SeqCst);
    let down = waiter(&health);
    sleep(3 * SECOND - 2 * TICK).await;
    assert!(!down.is_finished() && health.version() == seen);
    let told = down.await.unwrap();
    assert!((3 * SECOND - TICK..3 * SECOND + TICK).contains(&told), "{told:?}");
    assert_eq!(health.status(Probe::Readiness), Status::Fail);

    // A failure that goes on is no change.
    let up = waiter(&health);
    sleep(10 * SECOND).await;
    assert!(!up.is_finished());
    passes.store(true, SeqCst);
    up.await.unwrap();
    assert_eq!(health.status(Probe::Readiness), Status::Pass);
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_is_told_at_once() {
    let (check, passes) = switched();
    let health = Health::builder().check(check.failure_threshold(1)).build().unwrap();
    let _schedule = health.spawn();
    let seen = health.version();
    passes.store(false, SeqCst);
    sleep(5 * SECOND).await;
    let now = Instant::now();
    assert_eq!(health.changed(seen).await, health.version());
    assert_eq!(now.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_are_told_of_the_phase_in_the_same_moment() {
    let owner = PhaseOwner::new();
    let health = Health::builder().phase(owner.watch()).build().unwrap();
    for phase in [Phase::Serving, Phase::LameDuck] {
        let waiters = [(); 100].map(|()| waiter(&health));
        sleep(SECOND).await;
        owner.advance(phase, None);
        for waiter in waiters {
            assert_eq!(waiter.await.unwrap(), SECOND);
        }
        assert_eq!(health.is_ready(), phase == Phase::Serving);
    }
    // Who waits on a connection that is to end is let go; what a probe says is the same from then on.
    let seen = health.version();
    owner.advance(Phase::Draining, None);
    let seen = timeout(TICK, health.changed(seen)).await.expect("it is told");
    owner.advance(Phase::Cleanup, None);
    assert!(timeout(60 * SECOND, health.changed(seen)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_told_of_a_latch() {
    let latch = Latch::new("migrations");
    let health = Health::builder().latch(&latch).build().unwrap();
    let waiter = waiter(&health);
    sleep(SECOND).await;
    latch.release();
    assert_eq!(waiter.await.unwrap(), SECOND);
    assert!(health.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_shared_check_degrades_for_as_long_as_it_is_down() {
    let (check, passes) = switched();
    let health = Health::builder().check(check.shared().failure_threshold(1)).build().unwrap();
    let _schedule = health.spawn();
    passes.store(false, SeqCst);
    sleep(3_600 * SECOND).await;
    assert_eq!(health.status(Probe::Readiness), Status::Warn);
    let text = "[+]ping ok\n[+]it degraded: no\nreadyz check passed\n";
    assert_eq!(ask(&health, "/readyz?verbose").await, (200, text.into()));
}

#[tokio::test(start_paused = true)]
async fn a_shared_check_with_a_limit_fails_the_probe_from_that_limit_on_and_recovers_at_once() {
    let (check, passes) = switched();
    let check = check.shared_for(30 * SECOND).failure_threshold(2);
    let health = Health::builder().check(check).build().unwrap();
    let _schedule = health.spawn();
    sleep(SECOND / 2).await;
    passes.store(false, SeqCst);
    // It goes down with the run at 2 s.
    assert_eq!(waiter(&health).await.unwrap(), SECOND * 3 / 2);
    assert_eq!(health.status(Probe::Readiness), Status::Warn);
    // And nobody but the one who waits sees the limit pass.
    let fails = waiter(&health);
    sleep(30 * SECOND - TICK).await;
    assert_eq!(health.status(Probe::Readiness), Status::Warn);
    let told = fails.await.unwrap();
    assert!((30 * SECOND..=30 * SECOND + TICK).contains(&told), "{told:?}");
    assert_eq!(ask(&health, "/readyz").await.0, 503);
    assert_eq!(health.snapshot().checks[0].flips, 1, "it has been down all the time");

    passes.store(true, SeqCst);
    waiter(&health).await.unwrap();
    assert_eq!(health.status(Probe::Readiness), Status::Pass);
}
