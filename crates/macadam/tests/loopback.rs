//! Readiness that asks the public listener, so that the admin listener cannot say more than is true.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use std::{
    convert::Infallible,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use axum::{Router, routing::get};
use macadam::{Draining, Road, Settings};
use macadam_test::wire::Client;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

/// Settings with two free addresses, that leave a test process alone.
fn settings() -> Settings {
    // Taken and let go: what listens there next has said so itself.
    let free = || TcpListener::bind("127.0.0.1:0").unwrap();
    let [public, admin] = [free(), free()].map(|listener| listener.local_addr().unwrap());
    let mut settings = Settings::default();
    settings.listen = public;
    settings.admin.listen = Some(admin);
    settings.health.loopback_probe = true;
    settings.telemetry.logs = macadam::settings::Logs::Off;
    settings.shutdown.lame_duck = Duration::ZERO;
    // The reaper would end the whole test process.
    settings.shutdown.budget = Duration::from_secs(3600);
    settings
}

async fn connect(address: SocketAddr) -> Client {
    let listens = async {
        while TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), listens).await.expect("it listens");
    Client::connect(address).await
}

/// A figure of the check.
async fn figure(admin: &mut Client, name: &str) -> f64 {
    let status: serde_json::Value = serde_json::from_slice(&admin.get("/status").await.body).unwrap();
    let gauges = status["gauges"].as_array().unwrap().iter();
    let named = gauges.filter(|gauge| gauge["name"] == name && gauge["labels"]["check"] == "loopback");
    named.map(|gauge| gauge["value"].as_f64().unwrap()).sum()
}

/// Waits until it is above zero.
async fn counted(admin: &mut Client, name: &str) {
    let counted = async {
        while figure(admin, name).await == 0.0 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), counted).await.expect(name);
}

async fn finds_itself(settings: Settings) {
    let admin = settings.admin.listen.unwrap();
    let road = Road::builder("asked").settings(settings).build().unwrap();
    let handle = road.shutdown();
    let app = Router::new().route("/", get(async || "hello"));
    let serving = tokio::spawn(async move { road.serve(app).await.map(drop) });

    let mut admin = connect(admin).await;
    counted(&mut admin, "macadam_health_check_runs_total").await;
    assert_eq!(admin.get("/readyz/loopback").await.text(), "ok");
    assert_eq!(figure(&mut admin, "macadam_health_check_failures_total").await, 0.0);
    handle.trigger("the test is over");
    serving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_service_that_answers_finds_that_it_does() {
    finds_itself(settings()).await;
}

#[tokio::test]
async fn so_does_one_whose_listener_answers_no_probes() {
    let mut settings = settings();
    settings.health.public = false;
    finds_itself(settings).await;
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn so_does_one_that_speaks_tls() {
    let fixture = |name| format!("{}/../serve/tests/tls/{name}", env!("CARGO_MANIFEST_DIR")).into();
    let mut settings = settings();
    settings.serve.tls_certificate = Some(fixture("one.pem"));
    settings.serve.tls_key = Some(fixture("one.key"));
    finds_itself(settings).await;
}

#[tokio::test]
async fn a_service_that_accepts_nobody_is_not_ready_whatever_its_other_listener_says() {
    let settings = settings();
    let (public, admin) = (settings.listen, settings.admin.listen.unwrap());
    let road = Road::builder("deaf").settings(settings).build().unwrap();
    let handle = road.shutdown();
    // The kernel lets clients in, and nobody comes for them.
    let listener = TcpListener::bind(public).unwrap();
    let serving = tokio::spawn(async move {
        let deaf = |draining: Draining| async move {
            draining.await;
            drop(listener);
            Ok::<_, Infallible>(())
        };
        road.run(deaf).await.map(drop)
    });

    let mut admin = connect(admin).await;
    assert_eq!(admin.get("/livez").await.status, 200);
    counted(&mut admin, "macadam_health_check_flips_total").await;
    let reply = admin.get("/readyz").await;
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("[-]loopback failed: timeout\n"), "{}", reply.text());
    handle.trigger("the test is over");
    serving.await.unwrap().unwrap();
}
