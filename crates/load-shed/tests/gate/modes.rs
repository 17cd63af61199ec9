//! What the gate lets pass though it is full.

use crate::stand::{Stand, due_in, limit};
use macadam_core::Outcome;
use macadam_load_shed::{LoadShedHandle, LoadShedLayer, Mode};
use tokio::time::Duration;

/// Refused for a full queue, refused for the deadline.
fn shed(gate: &LoadShedHandle) -> (f64, f64) {
    let refused = |reason| crate::stand::refused(gate, reason);
    (refused("queue-full"), refused("deadline"))
}

/// Sends as many requests, of which none is answered, and says how many reach the service.
async fn flood(layer: LoadShedLayer, requests: usize) -> (Stand, usize) {
    let stand = Stand::new(layer);
    for _ in 0..requests {
        stand.get("/").await;
    }
    let calls = stand.script.calls();
    (stand, calls)
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_refuses_and_delays_nothing_and_counts_what_it_would_refuse() {
    let (enforced, calls) = flood(limit(2).queue(3), 10).await;
    assert_eq!((calls, enforced.figures(), shed(&enforced.gate)), (2, (2, 3), (5.0, 0.0)));

    let (dry, calls) = flood(limit(2).queue(3).mode(Mode::DryRun), 10).await;
    assert_eq!((calls, dry.figures(), shed(&dry.gate)), (10, (5, 0), (5.0, 0.0)));

    // All of them come to their end, and nothing is given back that was not taken.
    while let Some(call) = dry.script.try_next_call() {
        call.ok();
    }
    crate::stand::turn().await;
    assert_eq!(dry.figures(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_counts_who_would_wait_past_the_deadline() {
    let (stand, _) = flood(limit(1).mode(Mode::DryRun), 1).await;
    let (request, context) = due_in(Duration::ZERO);
    stand.send(request).await;
    assert_eq!(stand.script.calls(), 2);
    assert_eq!(shed(&stand.gate), (0.0, 1.0));
    assert_eq!(context.outcome(), Outcome::Pending, "nobody was refused");
    assert_eq!(stand.figures(), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_counts_what_a_share_would_decide() {
    let layer = |mode| {
        let tenant = |head: &http::request::Parts| Some(head.uri.path().to_owned());
        limit(2).queue(1).tenant(tenant).mode(mode)
    };
    for mode in [Mode::Enforce, Mode::DryRun] {
        let stand = Stand::new(layer(mode));
        let refused = || ["queue-full", "tenant"].map(|reason| crate::stand::refused(&stand.gate, reason));
        for _ in 0..4 {
            stand.get("/greedy").await;
        }
        assert_eq!(refused(), [1.0, 0.0], "{mode:?}: alone, it is refused for the gate's sake");
        stand.get("/modest").await;
        assert_eq!(refused(), [1.0, 1.0], "{mode:?}: one of the three is too many");
    }
    // Everybody's slot is given back to whom it was counted for.
    let stand = Stand::new(layer(Mode::DryRun));
    for path in ["/greedy", "/modest", "/greedy", "/greedy"] {
        stand.get(path).await;
    }
    assert_eq!(crate::stand::refused(&stand.gate, "tenant"), 1.0);
    while let Some(call) = stand.script.try_next_call() {
        call.ok();
    }
    crate::stand::turn().await;
    for _ in 0..4 {
        stand.get("/greedy").await;
    }
    assert_eq!(crate::stand::refused(&stand.gate, "queue-full"), 1.0, "it is alone again");
}

#[tokio::test(start_paused = true)]
async fn a_layer_that_is_off_admits_and_counts_nothing() {
    let (stand, calls) = flood(limit(1).queue(0).mode(Mode::Off), 10).await;
    assert_eq!((calls, stand.figures(), shed(&stand.gate)), (10, (0, 0), (0.0, 0.0)));
}

#[tokio::test(start_paused = true)]
async fn the_exempt_take_no_slot_and_are_not_refused() {
    let layer = limit(1).queue(0).exempt(|head| head.uri.path() == "/livez");
    let stand = Stand::new(layer);
    stand.get("/livez").await;
    assert_eq!(stand.figures(), (0, 0));
    stand.get("/runs").await;
    stand.get("/livez").await;
    assert_eq!(stand.script.calls(), 3);
    assert_eq!(stand.get("/refused").await.await.unwrap().unwrap().status(), 503);
    assert_eq!((stand.figures(), shed(&stand.gate)), ((1, 0), (1.0, 0.0)));
}
