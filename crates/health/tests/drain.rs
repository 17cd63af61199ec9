//! What readiness says of a shutdown, as it was told to.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

mod ask;

use std::time::Duration;

use http::Method;
use macadam_core::{Phase, PhaseOwner};
use macadam_health::{Check, Health, OnDrain};
use tokio::time::advance;

use self::ask::{ask, ask_with};

const TICK: Duration = Duration::from_millis(1);

fn health(on_drain: OnDrain) -> (PhaseOwner, Health) {
    let owner = PhaseOwner::new();
    let health = Health::builder().phase(owner.watch()).on_drain(on_drain).build().unwrap();
    owner.advance(Phase::Serving, None);
    (owner, health)
}

async fn status(health: &Health, uri: &str) -> u16 {
    ask(health, uri).await.0
}

#[tokio::test(start_paused = true)]
async fn readiness_fails_at_once_by_default() {
    let (owner, health) = health(OnDrain::default());
    assert_eq!(status(&health, "/readyz").await, 200);
    owner.advance(Phase::LameDuck, None);
    assert_eq!(status(&health, "/readyz").await, 503);
}

#[tokio::test(start_paused = true)]
async fn it_is_not_found_from_the_lame_duck_on_if_that_is_all() {
    let (owner, health) = health(OnDrain::NotFound);
    assert_eq!(status(&health, "/readyz").await, 200);
    owner.advance(Phase::LameDuck, None);
    let (status_, text) = ask(&health, "/readyz").await;
    assert_eq!(
        (status_, text.as_str()),
        (404, "[+]ping ok\n[+]starting ok\n[-]shutdown failed: lame-duck\nreadyz check failed\n")
    );
    assert_eq!(status(&health, "/readyz/shutdown").await, 404);
    assert_eq!(status(&health, "/readyz?exclude=shutdown").await, 200);
    assert_eq!(status(&health, "/livez").await, 200);
    owner.advance(Phase::Draining, None);
    assert_eq!(status(&health, "/readyz").await, 404);
}

#[tokio::test(start_paused = true)]
async fn what_fails_besides_the_shutdown_is_not_hidden_by_a_404() {
    let owner = PhaseOwner::new();
    let down = Check::new("postgres", async || Err("no"));
    let health = Health::builder().check(down).phase(owner.watch()).on_drain(OnDrain::NotFound);
    let health = health.build().unwrap();
    assert_eq!(status(&health, "/readyz").await, 503, "it has not started");
    owner.advance(Phase::LameDuck, None);
    assert_eq!(status(&health, "/readyz").await, 503);
    assert_eq!(status(&health, "/readyz?exclude=postgres").await, 404);
}

#[tokio::test(start_paused = true)]
async fn it_stays_ready_for_its_time_and_not_a_tick_more() {
    let (owner, health) = health(OnDrain::KeepReady(Duration::from_secs(3)));
    advance(Duration::from_secs(60)).await;
    owner.advance(Phase::LameDuck, None);
    let version = health.version();
    advance(Duration::from_secs(3) - TICK).await;
    assert_eq!(status(&health, "/readyz").await, 200);
    assert_eq!((health.version(), owner.watch().probes()), (version, 0));
    advance(TICK).await;
    assert_eq!(status(&health, "/readyz").await, 503);
    assert_eq!((health.version(), owner.watch().probes()), (version + 1, 1));
}

#[tokio::test(start_paused = true)]
async fn who_follows_it_hears_of_the_end_of_that_time() {
    let (owner, health) = health(OnDrain::KeepReady(Duration::from_secs(3)));
    owner.advance(Phase::LameDuck, None);
    let start = tokio::time::Instant::now();
    let seen = health.version();
    health.changed(seen).await;
    assert_eq!(start.elapsed().as_secs(), 3);
    assert!(!health.is_ready());
}

#[tokio::test(start_paused = true)]
async fn it_does_not_stay_ready_when_nobody_accepts_any_more() {
    for time in [Duration::from_secs(3), Duration::MAX] {
        let (owner, health) = health(OnDrain::KeepReady(time));
        owner.advance(Phase::LameDuck, None);
        assert_eq!(status(&health, "/readyz").await, 200);
        owner.advance(Phase::Draining, None);
        assert_eq!(status(&health, "/readyz").await, 503);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_has_500_where_it_was_told_so() {
    let (owner, health) = health(OnDrain::Fail);
    let service = || health.service().internal_server_error(true);
    assert_eq!(ask_with(service(), Method::GET, "/readyz").await.status(), 200);
    owner.advance(Phase::LameDuck, None);
    assert_eq!(ask_with(service(), Method::GET, "/readyz").await.status(), 500);
    assert_eq!(ask_with(service(), Method::HEAD, "/readyz/shutdown").await.status(), 500);
    assert_eq!(ask_with(service(), Method::GET, "/readyz/nothing").await.status(), 404);
}
