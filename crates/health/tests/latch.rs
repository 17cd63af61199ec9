//! Latches: what has to be done once before a process has started.

mod ask;

use std::{convert::Infallible, time::Duration};

use macadam_health::{Check, ConfigError, Health, HealthBuilder, Latch, LatchState};
use tokio::time::sleep;

use self::ask::ask;

const TENTH: Duration = Duration::from_millis(100);

#[tokio::test(start_paused = true)]
async fn a_process_has_not_started_while_a_latch_is_held_and_its_time_is_told() {
    let (migrations, cache) = (Latch::new("migrations"), Latch::new("cache"));
    let health = Health::builder().latch(&migrations).latch(&cache).build().unwrap();
    sleep(15 * TENTH).await;
    for probe in ["startupz", "readyz"] {
        let text = format!(
            "[+]ping ok\n[-]migrations failed: held for 1.5 s\n[-]cache failed: held for 1.5 s\n{probe} check failed\n"
        );
        assert_eq!(ask(&health, &format!("/{probe}")).await, (503, text));
    }
    assert_eq!(ask(&health, "/livez?verbose").await, (200, "[+]ping ok\nlivez check passed\n".into()));

    migrations.release();
    sleep(5 * TENTH).await;
    let text = "[+]ping ok\n[+]migrations ok\n[-]cache failed: held for 2.0 s\nstartupz check failed\n";
    assert_eq!(ask(&health, "/startupz").await, (503, text.into()));
    cache.release();
    assert_eq!(ask(&health, "/startupz").await, (200, "ok".into()));
    assert_eq!(ask(&health, "/readyz/cache").await, (200, "ok".into()));

    sleep(5 * TENTH).await;
    let latches = health.snapshot().latches;
    assert_eq!(latches.iter().map(|latch| latch.held_for).collect::<Vec<_>>(), [15 * TENTH, 20 * TENTH]);
    assert!(latches.iter().all(|latch| latch.state == LatchState::Released));
}

#[tokio::test(start_paused = true)]
async fn a_latch_that_is_dropped_and_was_not_released_stays_closed() {
    let panics = |latch: Latch| async move {
        let _latch = latch;
        panic!("it cannot go on");
    };
    let returns_early = |latch: Latch| async move {
        let _latch = latch;
        Err::<(), _>("no such table")
    };
    let is_aborted = |latch: Latch| async move {
        sleep(Duration::from_secs(3_600)).await;
        latch.release();
    };
    let latches = ["a", "b", "c"].map(Latch::new);
    let health = latches.iter().fold(Health::builder(), HealthBuilder::latch).build().unwrap();
    let [a, b, c] = latches;
    let (a, b, c) = (tokio::spawn(panics(a)), tokio::spawn(returns_early(b)), tokio::spawn(is_aborted(c)));
    sleep(2 * TENTH).await;
    c.abort();
    assert!(a.await.is_err() && b.await.is_ok() && c.await.is_err());
    sleep(Duration::from_secs(3_600)).await;
    let text = "[+]ping ok\n[-]a failed: abandoned after 0.0 s\n[-]b failed: abandoned after 0.0 s\n\
                [-]c failed: abandoned after 0.2 s\nstartupz check failed\n";
    assert_eq!(ask(&health, "/startupz").await, (503, text.into()));
}

#[tokio::test]
async fn a_latch_has_a_name_of_its_own_and_one_health() {
    let check = || Check::new("it", async || Ok::<_, Infallible>(()));
    let mistake = |latches: &[&Latch]| {
        latches
            .iter()
            .fold(Health::builder(), |builder, latch| builder.latch(latch))
            .check(check())
            .build()
            .expect_err("there is a mistake")
    };
    let name = || "it".to_owned();
    assert_eq!(mistake(&[&Latch::new("it")]), ConfigError::DuplicateName { name: name() });
    assert!(matches!(mistake(&[&Latch::new("a b")]), ConfigError::InvalidName { .. }));
    assert!(matches!(mistake(&[&Latch::new("ping")]), ConfigError::ReservedName { .. }));
    let latch = Latch::new("latch");
    let _first = Health::builder().latch(&latch).build().unwrap();
    assert_eq!(mistake(&[&latch]), ConfigError::LatchTaken { name: "latch".into() });
}
