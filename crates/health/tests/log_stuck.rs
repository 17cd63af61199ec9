//! A stuck check is logged while it is. Alone in its binary, as every test of the log.

use std::{
    convert::Infallible,
    mem,
    sync::{Mutex, mpsc::sync_channel},
    time::Duration,
};

use macadam_health::{Check, Health};
use macadam_test::events;
use tokio::time::{sleep, timeout};

#[tokio::test]
async fn a_check_that_is_stuck_is_logged_while_it_is_by_the_runtime_that_it_does_not_hold_up() {
    let events = events::capture();
    let here = tracing::dispatcher::get_default(Clone::clone);
    let elsewhere = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .on_thread_start(move || mem::forget(tracing::dispatcher::set_default(&here)))
        .build()
        .unwrap();
    let (let_go, held) = sync_channel::<()>(0);
    let held = Mutex::new(held);
    let check = Check::new("it", move || {
        let _ = held.lock().map(|held| held.recv());
        async { Ok::<_, Infallible>(()) }
    });
    let check = check.timeout(Duration::from_millis(50));
    let health = Health::builder().check(check).build().unwrap();
    let schedule = {
        let _in_there = elsewhere.enter();
        health.spawn()
    };

    // Nobody asks how it is, and it is down before as after.
    let is_logged = async {
        while events.events().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), is_logged).await.unwrap();
    let told = &events.events()[0];
    assert_eq!((told.level, told.message.as_str()), (tracing::Level::WARN, "health check fails"));
    assert!(told.fields["reason"].starts_with("stuck for "), "{:?}", told.fields);

    drop(let_go);
    drop(schedule);
    elsewhere.shutdown_background();
}
