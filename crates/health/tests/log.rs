//! What is logged. One test in its binary: a callsite that another thread reaches first may be off for this one.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use macadam_health::{Check, Health, Latch};
use macadam_test::events;
use tokio::time::sleep;

/// A check whose runs pass where `passes` says so, and that flips with each of them.
fn scripted(passes: impl Fn(usize) -> bool + Send + Sync + 'static) -> Health {
    let runs = AtomicUsize::new(0);
    let check = Check::new("it", move || {
        let run = runs.fetch_add(1, SeqCst);
        let finding = if passes(run) { Ok(()) } else { Err("refused\n") };
        async move { finding }
    });
    let check = check.interval(Duration::from_secs(1)).failure_threshold(1).jitter(0.0);
    Health::builder().check(check).build().expect("it is without a mistake")
}

#[tokio::test(start_paused = true)]
async fn a_change_is_logged_once_and_what_goes_up_and_down_every_10_s_at_most() {
    let events = events::capture();
    let told = || {
        let all = events.events();
        all.iter().map(|event| (event.level, event.message.clone())).collect::<Vec<_>>()
    };
    let fails = (tracing::Level::WARN, "health check fails".to_owned());
    let passes = (tracing::Level::INFO, "health check passes".to_owned());

    let health = scripted(|run| (20..40).contains(&run));
    let schedule = health.spawn();
    sleep(Duration::from_secs(60)).await;
    drop(schedule);
    assert_eq!(told(), [fails.clone(), passes.clone(), fails.clone()]);
    let fields = &events.events()[0].fields;
    assert_eq!((&*fields["check"], &*fields["class"], &*fields["reason"]), ("it", "critical", "refused "));
    assert_eq!(events.events()[2].fields["flips"], "2");

    // It goes up and down 99 times, and stays up.
    let health = scripted(|run| run % 2 == 0 || run > 98);
    let schedule = health.spawn();
    sleep(Duration::from_secs(120)).await;
    drop(schedule);
    let lines = told().split_off(3);
    assert!((2..=11).contains(&lines.len()), "{lines:?}");
    assert_eq!(lines.last(), Some(&passes), "the last word is the right one");
    assert!(health.snapshot().checks[0].flips == 99 && health.is_ready());

    let before = told().len();
    Latch::new("done").release();
    drop(Latch::new("given-up"));
    let released = (tracing::Level::INFO, "startup latch released".to_owned());
    let abandoned = (tracing::Level::ERROR, "startup latch abandoned".to_owned());
    assert_eq!(told()[before..], [released, abandoned]);
}
