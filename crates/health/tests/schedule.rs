//! When checks run, and how a run may end.

mod ask;

use std::{
    convert::Infallible,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use http::Method;
use macadam_core::Gauges;
use macadam_health::{Check, Health};
use tokio::time::{Instant, sleep, sleep_until};

use self::ask::{ask, ask_with};

const TICK: Duration = Duration::from_millis(1);

fn only(check: Check) -> Health {
    Health::builder().check(check.jitter(0.0)).build().expect("one check, without a mistake")
}

async fn found(health: &Health) -> String {
    ask(health, "/readyz/it").await.1
}

/// A check that writes down when it runs, and runs for `takes`.
fn recorder(name: &str, takes: Duration) -> (Check, Arc<Mutex<Vec<Duration>>>) {
    let start = Instant::now();
    let runs = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&runs);
    let check = Check::new(name, move || {
        record.lock().expect("nobody panics under it").push(start.elapsed());
        async move {
            sleep(takes).await;
            Ok::<_, Infallible>(())
        }
    });
    (check, runs)
}

#[tokio::test(start_paused = true)]
async fn the_interval_runs_from_the_end_of_a_run_to_the_start_of_the_next() {
    let (check, runs) = recorder("it", Duration::from_millis(300));
    let _schedule = only(check.interval(Duration::from_secs(2))).spawn();
    sleep(Duration::from_secs(7)).await;
    assert_eq!(*runs.lock().unwrap(), [0, 2300, 4600, 6900].map(Duration::from_millis));
}

#[tokio::test(start_paused = true)]
async fn a_check_runs_every_5_s_by_default() {
    let (check, runs) = recorder("it", Duration::ZERO);
    let _schedule = only(check).spawn();
    sleep(Duration::from_secs(11)).await;
    let runs = runs.lock().unwrap();
    assert_eq!(runs.len(), 3);
    // A sleep of no time is a tick of tokio's clock.
    assert!(runs[1] >= Duration::from_secs(5) && runs[1] <= Duration::from_secs(5) + 2 * TICK, "{runs:?}");
}

#[tokio::test(start_paused = true)]
async fn a_check_runs_every_second_while_it_is_down_or_its_last_run_failed() {
    let start = Instant::now();
    let runs = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&runs);
    let check = Check::new("it", move || {
        let mut runs = record.lock().expect("nobody panics under it");
        let run = runs.len();
        runs.push(start.elapsed().as_secs());
        async move { if matches!(run, 2 | 4..=7) { Err("no") } else { Ok(()) } }
    });
    // Up, a failure, up, down with the third failure, and up with the second pass.
    let health = only(check.success_threshold(2).initially(true));
    let _schedule = health.spawn();
    sleep(Duration::from_secs(29)).await;
    assert_eq!(*runs.lock().unwrap(), [0, 5, 10, 11, 16, 17, 18, 19, 20, 21, 26]);
    assert_eq!(health.snapshot().checks[0].flips, 2);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_shortened_by_the_jitter_at_most_and_the_first_by_anything() {
    let mut first_pauses = Vec::new();
    for seed in 0..50 {
        let (check, runs) = recorder("it", Duration::from_millis(1));
        let health = Health::builder()
            .check(check.interval(Duration::from_secs(1)).jitter(0.2))
            .seed(seed)
            .build()
            .unwrap();
        let schedule = health.spawn();
        sleep(Duration::from_secs(20)).await;
        drop(schedule);
        let runs = runs.lock().unwrap();
        assert_eq!(runs[0], Duration::ZERO, "the first run is not put off");
        let pauses: Vec<_> = runs.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
        first_pauses.push(pauses[0]);
        assert!(
            pauses[0] <= 1_002 && pauses[1..].iter().all(|pause| (800..=1_002).contains(pause)),
            "{pauses:?}"
        );
        assert!(pauses.iter().max() > pauses.iter().min(), "{pauses:?}");
    }
    first_pauses.sort_unstable();
    assert!(first_pauses[5] < 300 && first_pauses[44] > 700, "{first_pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_makes_the_same_schedule_and_each_check_has_its_own() {
    let mut rows = Vec::new();
    for seed in [1, 1, 2] {
        let ((a, a_runs), (b, b_runs)) = (recorder("a", Duration::ZERO), recorder("b", Duration::ZERO));
        let health = Health::builder().check(a).check(b).seed(seed).build().unwrap();
        let schedule = health.spawn();
        sleep(Duration::from_secs(60)).await;
        drop(schedule);
        rows.push([a_runs, b_runs].map(|runs| runs.lock().unwrap().clone()));
    }
    assert_eq!(rows[0], rows[1]);
    assert_ne!(rows[0], rows[2]);
    assert_ne!(rows[0][0], rows[0][1]);
}

#[tokio::test(start_paused = true)]
async fn a_check_fails_as_pending_until_its_first_result() {
    let (check, _) = recorder("it", Duration::from_millis(500));
    let health = only(check);
    assert_eq!(found(&health).await, "[-]it failed: pending\n");
    let _schedule = health.spawn();
    sleep(Duration::from_millis(499)).await;
    assert_eq!(found(&health).await, "[-]it failed: pending\n");
    sleep(2 * TICK).await;
    assert_eq!(found(&health).await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_liveness_check_passes_until_it_has_failed() {
    let health = only(Check::new("it", async || Err("deadlock")).liveness().failure_threshold(1));
    assert_eq!(ask(&health, "/livez").await, (200, "ok".into()));
    let _schedule = health.spawn();
    sleep(TICK).await;
    assert_eq!(ask(&health, "/livez").await.0, 503);
}

#[tokio::test(start_paused = true)]
async fn a_startup_check_that_has_passed_is_never_run_again() {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    let warm = move || {
        let run = count.fetch_add(1, SeqCst) + 1;
        async move { if run == 3 { Ok(()) } else { Err("cold") } }
    };
    let health = only(Check::new("it", warm).startup().interval(Duration::from_secs(1)));
    let _schedule = health.spawn();
    sleep(2 * Duration::from_secs(1)).await;
    assert_eq!(ask(&health, "/startupz").await.0, 503);
    assert!(!health.is_ready());
    sleep(Duration::from_secs(60)).await;
    assert_eq!(runs.load(SeqCst), 3);
    assert_eq!(ask(&health, "/startupz").await.0, 200);
    assert!(health.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_is_dropped_at_its_timeout() {
    struct Dropped(Arc<AtomicBool>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&dropped);
    let hang = move || {
        let held = Dropped(Arc::clone(&flag));
        async move {
            let _held = held;
            pending::<Result<(), Infallible>>().await
        }
    };
    let health = only(Check::new("it", hang).timeout(Duration::from_millis(250)));
    let _schedule = health.spawn();
    sleep(Duration::from_millis(249)).await;
    assert!(!dropped.load(SeqCst));
    assert_eq!(found(&health).await, "[-]it failed: pending\n");
    sleep(2 * TICK).await;
    assert!(dropped.load(SeqCst));
    assert_eq!(found(&health).await, "[-]it failed: timeout\n");
}

#[tokio::test(start_paused = true)]
async fn a_run_is_given_1_s_by_default() {
    let health = only(Check::new("it", pending::<Result<(), Infallible>>));
    let _schedule = health.spawn();
    sleep(Duration::from_millis(999)).await;
    assert_eq!(found(&health).await, "[-]it failed: pending\n");
    sleep(2 * TICK).await;
    assert_eq!(found(&health).await, "[-]it failed: timeout\n");
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_reported_and_the_check_runs_again() {
    type Panics = fn(usize) -> std::pin::Pin<Box<dyn Future<Output = Result<(), &'static str>> + Send>>;
    let when_called: Panics = |run| {
        assert_ne!(run, 0, "the first run panics");
        Box::pin(async { Ok(()) })
    };
    let when_polled: Panics = |run| {
        Box::pin(async move {
            assert_ne!(run, 0, "the first run panics");
            Ok(())
        })
    };
    let when_dropped: Panics = |run| {
        Box::pin(async move {
            if run == 0 {
                let _bomb = Bomb;
                pending::<()>().await;
            }
            Ok(())
        })
    };
    for panics in [when_called, when_polled, when_dropped] {
        let runs = AtomicUsize::new(0);
        let check = Check::new("it", move || panics(runs.fetch_add(1, SeqCst)));
        let health = only(check.interval_while_down(Duration::from_secs(2)));
        let _schedule = health.spawn();
        sleep(Duration::from_millis(1_500)).await;
        assert_eq!(found(&health).await, "[-]it failed: panicked\n");
        sleep(Duration::from_secs(2)).await;
        assert_eq!(found(&health).await, "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_reported_and_checks_do_not_wait_for_each_other() {
    let health = Health::builder()
        .check(Check::new("hangs", pending::<Result<(), Infallible>>))
        .check(Check::new("it", async || Err(std::io::Error::other("connection refused"))))
        .build()
        .unwrap();
    let _schedule = health.spawn();
    sleep(TICK).await;
    assert_eq!(found(&health).await, "[-]it failed: connection refused\n");
}

#[tokio::test(start_paused = true)]
async fn a_check_never_runs_twice_at_a_time() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let runs = Arc::new(AtomicUsize::new(0));
    let watch = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&runs));
    let check = Check::new("it", move || {
        let (running, most, runs) = watch.clone();
        async move {
            most.fetch_max(running.fetch_add(1, SeqCst) + 1, SeqCst);
            sleep(Duration::from_millis(700)).await;
            running.fetch_sub(1, SeqCst);
            runs.fetch_add(1, SeqCst);
            Ok::<_, Infallible>(())
        }
    });
    let health = only(check.interval(TICK));
    let first = health.spawn();
    let _second = health.spawn();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(most.load(SeqCst), 1);
    assert_eq!(runs.load(SeqCst), 14);

    // The second stood by, and takes over.
    drop(first);
    sleep(Duration::from_millis(750)).await;
    assert_eq!(runs.load(SeqCst), 15);
}

#[tokio::test(start_paused = true)]
async fn nothing_runs_once_the_schedule_is_dropped() {
    let (check, runs) = recorder("it", Duration::from_millis(100));
    let health = only(check);
    let schedule = health.spawn();
    sleep(Duration::from_millis(50)).await;
    drop(schedule);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(runs.lock().unwrap().len(), 1);
    assert_eq!(found(&health).await, "[-]it failed: pending\n");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_probes_run_no_check() {
    let (check, runs) = recorder("it", Duration::ZERO);
    let health = only(check);
    for _ in 0..1_000 {
        ask_with(health.service(), Method::GET, "/readyz?verbose").await;
    }
    assert!(runs.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn under_a_thousand_probes_a_second_checks_run_as_often_as_their_schedule_says() {
    let counted = |name: &str, takes: Duration| {
        let (runs, at_once) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let watch = (Arc::clone(&runs), Arc::clone(&at_once));
        let check = Check::new(name, move || {
            let (runs, at_once) = watch.clone();
            runs.fetch_add(1, SeqCst);
            assert_eq!(at_once.fetch_add(1, SeqCst), 0, "never two at a time");
            async move {
                sleep(takes).await;
                at_once.fetch_sub(1, SeqCst);
                Ok::<_, Infallible>(())
            }
        });
        (check, runs)
    };
    let seconds = Duration::from_secs(10);
    let (quick, quick_runs) = counted("quick", TICK);
    let (slow, slow_runs) = counted("slow", Duration::from_millis(400));
    let (default, default_runs) = counted("default", TICK);
    let (quick, slow) =
        (quick.interval(Duration::from_millis(99)), slow.interval(Duration::from_millis(600)));
    let health = [quick.jitter(0.01), slow.jitter(0.01), default]
        .into_iter()
        .fold(Health::builder().seed(7), macadam_health::HealthBuilder::check)
        .build()
        .unwrap();
    let _schedule = health.spawn();
    let start = Instant::now();
    for probe in 0..10_000 {
        let path = ["/readyz", "/readyz?verbose", "/livez", "/startupz", "/readyz/slow"][probe % 5];
        ask_with(health.service(), Method::GET, path).await;
        sleep_until(start + TICK * (probe as u32 + 1)).await;
    }
    assert_eq!(start.elapsed(), seconds);
    for (runs, schedule) in [(quick_runs, 100), (slow_runs, 10), (default_runs, 2)] {
        let runs = runs.load(SeqCst);
        assert!(runs.abs_diff(schedule) <= 1, "{runs} runs where {schedule} were due");
    }
    assert!(health.snapshot().checks.iter().all(|check| check.failures == 0 && check.is_up()));
}

#[tokio::test(start_paused = true)]
async fn gauges_say_which_check_is_up_and_whether_the_process_is_ready() {
    let gauges = |health: &Health| {
        let mut all = Vec::new();
        health.read(&mut |reading| {
            let check: Vec<_> = reading.labels.iter().map(|(_, value)| *value).collect();
            all.push(format!("{} {} {}", reading.name, check.join(" "), reading.value));
        });
        all
    };
    let health = Health::builder()
        .check(Check::new("good", async || Ok::<_, Infallible>(())).jitter(0.0))
        .check(Check::new("bad", async || Err("no")).degrading().jitter(0.0))
        .build()
        .unwrap();
    assert_eq!(
        gauges(&health),
        [
            "macadam_health_check_up good critical 0",
            "macadam_health_check_runs_total good critical 0",
            "macadam_health_check_failures_total good critical 0",
            "macadam_health_check_timeouts_total good critical 0",
            "macadam_health_check_flips_total good critical 0",
            "macadam_health_check_stuck_seconds good critical 0",
            "macadam_health_check_up bad degrading 0",
            "macadam_health_check_runs_total bad degrading 0",
            "macadam_health_check_failures_total bad degrading 0",
            "macadam_health_check_timeouts_total bad degrading 0",
            "macadam_health_check_flips_total bad degrading 0",
            "macadam_health_check_stuck_seconds bad degrading 0",
            "macadam_health_latches_held  0",
            "macadam_health_ready  0",
        ]
    );
    let _schedule = health.spawn();
    sleep(Duration::from_millis(2_500)).await;
    assert_eq!(
        gauges(&health),
        [
            "macadam_health_check_up good critical 1",
            "macadam_health_check_runs_total good critical 1",
            "macadam_health_check_failures_total good critical 0",
            "macadam_health_check_timeouts_total good critical 0",
            "macadam_health_check_flips_total good critical 1",
            "macadam_health_check_duration_seconds good critical 0",
            "macadam_health_check_age_seconds good critical 2.5",
            "macadam_health_check_stuck_seconds good critical 0",
            "macadam_health_check_up bad degrading 0",
            "macadam_health_check_runs_total bad degrading 3",
            "macadam_health_check_failures_total bad degrading 3",
            "macadam_health_check_timeouts_total bad degrading 0",
            "macadam_health_check_flips_total bad degrading 0",
            "macadam_health_check_duration_seconds bad degrading 0",
            "macadam_health_check_age_seconds bad degrading 0.5",
            "macadam_health_check_stuck_seconds bad degrading 0",
            "macadam_health_latches_held  0",
            "macadam_health_ready  1",
        ]
    );
}
