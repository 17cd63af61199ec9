//! Readiness follows the phase, liveness does not.

mod ask;

use macadam_core::{Phase, PhaseOwner};
use macadam_health::Health;

use self::ask::ask;

#[tokio::test]
async fn readiness_holds_while_serving_and_liveness_always() {
    let owner = PhaseOwner::new();
    let health = Health::builder().phase(owner.watch()).build().unwrap();
    for (phase, starting, shutdown) in [
        (Phase::Starting, "[-]starting failed: starting", "[+]shutdown ok"),
        (Phase::Serving, "[+]starting ok", "[+]shutdown ok"),
        (Phase::LameDuck, "[+]starting ok", "[-]shutdown failed: lame-duck"),
        (Phase::Draining, "[+]starting ok", "[-]shutdown failed: draining"),
        (Phase::Closing, "[+]starting ok", "[-]shutdown failed: closing"),
        (Phase::Cleanup, "[+]starting ok", "[-]shutdown failed: cleanup"),
        (Phase::Stopped, "[+]starting ok", "[-]shutdown failed: stopped"),
    ] {
        owner.advance(phase, None);
        let ready = phase == Phase::Serving;
        let (status, end) = if ready { (200, "passed") } else { (503, "failed") };
        assert_eq!(
            ask(&health, "/readyz?verbose").await,
            (status, format!("[+]ping ok\n{starting}\n{shutdown}\nreadyz check {end}\n"))
        );
        assert_eq!(health.is_ready(), ready);
        assert_eq!(ask(&health, "/livez?verbose").await, (200, "[+]ping ok\nlivez check passed\n".into()));
        let started = if phase == Phase::Starting { 503 } else { 200 };
        assert_eq!(ask(&health, "/startupz").await.0, started);
    }
    assert_eq!(ask(&health, "/readyz/shutdown").await.0, 503);
    assert_eq!(ask(&health, "/readyz?exclude=shutdown").await, (200, "ok".into()));
}

#[tokio::test]
async fn a_readiness_probe_that_is_told_of_the_shutdown_is_noted_and_no_other() {
    let owner = PhaseOwner::new();
    let health = Health::builder().phase(owner.watch()).build().unwrap();
    let all =
        ["/readyz", "/readyz?verbose", "/readyz/shutdown", "/livez", "/startupz", "/readyz?exclude=shutdown"];
    for phase in [Phase::Starting, Phase::Serving] {
        owner.advance(phase, None);
        for path in all {
            ask(&health, path).await;
        }
    }
    assert_eq!(owner.watch().probes(), 0, "it was not on its way out");
    owner.advance(Phase::LameDuck, None);
    for (path, noted) in all.into_iter().zip([1, 2, 3, 3, 3, 3]) {
        ask(&health, path).await;
        assert_eq!(owner.watch().probes(), noted, "{path}");
    }
    assert!(!health.is_ready());
    assert_eq!(owner.watch().probes(), 3, "who looks from inside is no probe");
}

#[tokio::test]
async fn without_a_phase_there_is_none_to_follow() {
    let health = Health::builder().build().unwrap();
    assert_eq!(ask(&health, "/readyz?verbose").await, (200, "[+]ping ok\nreadyz check passed\n".into()));
    assert_eq!(ask(&health, "/readyz/shutdown").await.0, 404);
}
