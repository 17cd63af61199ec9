//! Two roads of one service at one address: the second takes the place of the first, if it can.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU16,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::Duration,
};

use axum::{Router, routing::get};
use macadam::{Check, Error, Report, Road, Settings};
use macadam_test::wire::Client;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

/// An address that nobody has, and that no client gets for its end: those ports are higher.
fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let from = u16::try_from(std::process::id() % 1_000).unwrap() * 20;
    loop {
        let port = 10_000 + (from + NEXT.fetch_add(1, Relaxed)) % 20_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn settings(public: SocketAddr, admin: SocketAddr) -> Settings {
    let mut settings = Settings::default();
    settings.listen = public;
    settings.admin.listen = Some(admin);
    settings.telemetry.logs = macadam::settings::Logs::Off;
    settings.shutdown.lame_duck = Duration::from_millis(200);
    // The reaper would end the whole test process.
    settings.shutdown.budget = Duration::from_secs(3600);
    settings
}

type Serving = JoinHandle<Result<Report, Error>>;

/// A service that says which instance of it answers, and is ready when `passes` says so.
fn instance(name: &'static str, settings: Settings, passes: &Arc<AtomicBool>) -> Serving {
    let passes = Arc::clone(passes);
    let check = Check::new("postgres", move || {
        let passes = passes.load(SeqCst);
        async move { if passes { Ok(()) } else { Err("no connection") } }
    });
    let check = check.critical().interval(Duration::from_millis(20));
    let road = Road::builder("orders").settings(settings).check(check).build().unwrap();
    let app = Router::new().route("/", get(async move || name));
    tokio::spawn(async move { road.serve(app).await })
}

async fn answers(address: SocketAddr, path: &str) -> (u16, String) {
    let reply = Client::connect(address).await.get(path).await;
    (reply.status.as_u16(), reply.text().to_owned())
}

async fn is_ready(admin: SocketAddr) {
    let ready = async {
        while tokio::net::TcpStream::connect(admin).await.is_err() || answers(admin, "/readyz").await.0 != 200
        {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), ready).await.expect("it gets ready");
}

#[tokio::test]
async fn an_instance_takes_the_place_of_another_when_its_checks_have_passed_and_no_probe_sees_it() {
    let (public, admin) = (free(), free());
    let first = instance("first", settings(public, admin), &Arc::new(true.into()));
    is_ready(admin).await;

    let passes = Arc::new(AtomicBool::new(false));
    let second = instance("second", settings(public, admin), &passes);
    let until = Instant::now() + Duration::from_millis(300);
    while Instant::now() < until {
        assert_eq!(answers(public, "/").await, (200, "first".to_owned()));
        assert_eq!(answers(admin, "/readyz").await.0, 200);
    }
    passes.store(true, SeqCst);
    let mut who = "first".to_owned();
    while who == "first" {
        let status;
        (status, who) = answers(public, "/").await;
        assert_eq!((status, answers(admin, "/readyz").await.0), (200, 200));
    }
    assert_eq!(who, "second");
    let report = timeout(Duration::from_secs(10), first).await.unwrap().unwrap().unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
    assert_eq!(report.reason().to_string(), "a successor has the listening socket");
    assert_eq!(answers(admin, "/readyz").await.0, 200);
    second.abort();
}

#[tokio::test]
async fn an_instance_that_is_told_to_leave_before_it_is_ready_takes_nothing_along() {
    let (public, admin) = (free(), free());
    let first = instance("first", settings(public, admin), &Arc::new(true.into()));
    is_ready(admin).await;
    let road = Road::builder("orders").settings(settings(public, admin));
    let check = Check::new("postgres", async || Err::<(), _>("no connection")).critical();
    let road = road.check(check).build().unwrap();
    let handle = road.shutdown();
    let second = tokio::spawn(async move { road.serve(Router::new()).await });
    sleep(Duration::from_millis(100)).await;
    handle.trigger("the test is over");
    let report = timeout(Duration::from_secs(10), second).await.unwrap().unwrap().unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
    assert_eq!(answers(public, "/").await, (200, "first".to_owned()));
    assert_eq!(answers(admin, "/readyz").await.0, 200);
    first.abort();
}
