//! What HAProxy's agent-check is told.

use std::time::Duration;

use macadam_core::{Phase, PhaseOwner};
use macadam_health::{Check, Health, OnDrain};

#[tokio::test(start_paused = true)]
async fn it_is_up_or_down_by_readiness_and_drains_with_the_phase() {
    let owner = PhaseOwner::new();
    let degraded = Check::new("search", async || Err("no")).degrading();
    let health = Health::builder().check(degraded).phase(owner.watch()).build().unwrap();
    assert_eq!(health.agent_line(), "down ready #readyz failed: starting\n");
    owner.advance(Phase::Serving, None);
    assert_eq!(health.agent_line(), "up ready\n");
    assert_eq!(owner.watch().probes(), 0);
    owner.advance(Phase::LameDuck, None);
    assert_eq!(health.agent_line(), "up drain\n");
    assert_eq!(owner.watch().probes(), 1);
}

#[tokio::test(start_paused = true)]
async fn it_names_what_fails_and_not_why() {
    let owner = PhaseOwner::new();
    let down = |name| Check::new(name, async || Err("no route to 10.1.2.3"));
    let health = Health::builder().check(down("postgres")).check(down("redis")).phase(owner.watch());
    let health = health.on_drain(OnDrain::KeepReady(Duration::from_secs(3))).build().unwrap();
    owner.advance(Phase::LameDuck, None);
    assert_eq!(health.agent_line(), "down ready #readyz failed: postgres, redis\n");
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(health.agent_line(), "down drain #readyz failed: postgres, redis\n");
}
