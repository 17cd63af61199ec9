//! What the ready-made checks find, and what they never say.
#![expect(clippy::unwrap_used, reason = "a test fails where what it needs is not there")]

#[path = "../ask/mod.rs"]
mod ask;
mod disk;
mod http;
mod redis;
mod server;
mod sqlx;
mod tcp;

use std::time::Duration;

use macadam_health::{Check, Health};
use tokio::time::{sleep, timeout};

/// What the first run of the check named `it` finds: `ok`, or a line with the reason.
async fn found(check: Check) -> String {
    let health = Health::builder().check(check).build().unwrap();
    let _schedule = health.spawn();
    ran(&health, 1).await;
    ask::ask(&health, "/readyz/it").await.1
}

/// Waits until so many runs of the only check have ended.
async fn ran(health: &Health, runs: u64) {
    let ended = async {
        while health.snapshot().checks[0].runs < runs {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(20), ended).await.unwrap();
}

const PASSED: &str = "ok";

/// What is told where a run failed for this reason.
fn failed(reason: &str) -> String {
    format!("[-]it failed: {reason}\n")
}
