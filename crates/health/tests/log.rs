//! What is logged. Alone in its binary: a callsite that another thread reaches first may be off for this one.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use macadam_health::{Check, Health};
use macadam_test::events;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn a_change_is_logged_once() {
    let events = events::capture();
    let runs = AtomicUsize::new(0);
    let check = Check::new("it", move || {
        let run = runs.fetch_add(1, SeqCst);
        async move { if matches!(run, 2 | 3) { Ok(()) } else { Err("refused\n") } }
    });
    let health = Health::builder().check(check.jitter(0.0)).build().unwrap();
    let _schedule = health.spawn();
    sleep(Duration::from_secs(29)).await;
    let told: Vec<_> = events.events().iter().map(|event| (event.level, event.message.clone())).collect();
    let fails = (tracing::Level::WARN, "health check fails".to_owned());
    let passes = (tracing::Level::INFO, "health check passes".to_owned());
    assert_eq!(told, [fails.clone(), passes, fails]);
    assert_eq!(events.events()[0].fields["reason"], "refused ");
}
