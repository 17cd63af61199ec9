//! The task that looks at the gate.

use std::sync::Arc;

use crate::stand::{Stand, limit, pass, refused, turn};
use http::{Request, Response};
use macadam_load_shed::{
    LoadShedLayer, Mode,
    limit::{Controller, Window},
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    time::Duration,
};
use tower::{Layer, ServiceExt};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime starts")
}

/// How often the runtime went to sleep while this much time passed.
async fn sleeps_in(duration: Duration) -> u64 {
    let before = Handle::current().metrics().worker_park_count(0);
    tokio::time::sleep(duration).await;
    Handle::current().metrics().worker_park_count(0) - before
}

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn nothing_beats_while_nothing_is_in_flight() {
    let stand = Stand::new(LoadShedLayer::adaptive());
    assert!(sleeps_in(HOUR).await < 10, "nobody has called yet");
    for _ in 0..2 {
        stand.get("/").await;
        let sleeps = sleeps_in(Duration::from_secs(1)).await;
        assert!((100..500).contains(&sleeps), "in flight it beats every five milliseconds: {sleeps}");
        stand.script.try_next_call().expect("it has a slot").ok();
        assert!(sleeps_in(HOUR).await < 100, "it is parked soon after the last one");
    }
}

#[tokio::test(start_paused = true)]
async fn a_fixed_limit_has_no_beat() {
    let stand = Stand::new(limit(1));
    stand.get("/").await;
    assert!(sleeps_in(HOUR).await < 10);
    assert_eq!(stand.gate.lag(), None);
}

/// A layer, and what is dropped with its gate.
fn with_witness() -> (LoadShedLayer, Arc<()>) {
    let witness = Arc::new(());
    let held = Arc::clone(&witness);
    let layer = LoadShedLayer::adaptive().pressure(move || Arc::strong_count(&held) as f64 * 0.0);
    (layer, witness)
}

#[tokio::test(start_paused = true)]
async fn the_beat_ends_with_its_gate() {
    let (layer, witness) = with_witness();
    let stand = Stand::new(layer);
    stand.get("/").await;
    stand.script.try_next_call().expect("it has a slot").ok();
    turn().await;
    drop(stand);
    assert_eq!(Arc::strong_count(&witness), 2, "it beats on for a while");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(Arc::strong_count(&witness), 1);
}

#[test]
fn the_beat_of_a_runtime_that_is_gone_is_another_ones() {
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let asks = Arc::clone(&asked);
    let layer = LoadShedLayer::adaptive().pressure(move || {
        asks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        0.0
    });
    for _ in 0..2 {
        let before = asked.load(std::sync::atomic::Ordering::Relaxed);
        runtime().block_on(async {
            let stand = Stand::new(layer.clone());
            stand.get("/").await;
            pass(Duration::from_secs(1)).await;
        });
        assert!(asked.load(std::sync::atomic::Ordering::Relaxed) > before, "nobody asked in this runtime");
    }
}

#[test]
fn a_call_outside_of_any_runtime_is_admitted_all_the_same() {
    let service = LoadShedLayer::adaptive().layer(tower::service_fn(async |_: Request<()>| {
        Ok::<_, std::convert::Infallible>(Response::new(macadam_test::ScriptedBody::empty()))
    }));
    let mut future = std::pin::pin!(service.oneshot(Request::new(())));
    let cx = &mut std::task::Context::from_waker(std::task::Waker::noop());
    assert!(future.as_mut().poll(cx).is_ready());
}

#[tokio::test(start_paused = true)]
async fn the_mode_is_switched_while_it_runs() {
    let stand = Stand::new(limit(1).queue(0));
    let _runs = stand.get("/").await;
    assert!(stand.get("/").await.is_finished(), "refused");

    stand.gate.set_mode(Mode::DryRun);
    assert_eq!(stand.gate.mode(), Mode::DryRun);
    assert!(!stand.get("/").await.is_finished(), "counted, and admitted");
    assert_eq!(refused(&stand.gate, "queue-full"), 2.0);

    stand.gate.set_mode(Mode::Off);
    assert!(!stand.get("/").await.is_finished(), "admitted, and not counted");
    assert_eq!(refused(&stand.gate, "queue-full"), 2.0);

    stand.gate.set_mode(Mode::Enforce);
    assert!(stand.get("/").await.is_finished(), "refused again");
}

#[tokio::test(start_paused = true)]
async fn a_law_of_the_users_own_says_where_it_starts_and_where_it_goes() {
    struct Shrinks;
    impl Controller for Shrinks {
        fn start(&self) -> u32 {
            8
        }

        fn on_window(&mut self, window: &Window) -> u32 {
            window.limit.saturating_sub(1)
        }
    }
    let stand = Stand::new(LoadShedLayer::with(Shrinks));
    assert_eq!(stand.gate.limit(), 8);
    stand.get("/").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(stand.gate.limit(), 1, "whatever a law says, one may run");
}
