//! A service's life, with our accept loop and with stock `axum::serve`.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Extension, Router, routing::get};
use bytes::Bytes;
use http::Response;
use macadam::{Check, Error, Hook, Latch, Rejection, RequestContext, Road, RoadBuilder, Settings};
use macadam_test::wire::Client;
use tokio::{net::TcpListener, time::timeout};

/// A free address, and settings that leave a test process alone.
async fn settings() -> (SocketAddr, Settings) {
    // Taken and let go: what listens there next has said so itself.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut settings = Settings::default();
    settings.listen = address;
    settings.admin.listen = None;
    settings.telemetry.logs = macadam::settings::Logs::Off;
    settings.shutdown.lame_duck = Duration::ZERO;
    // The reaper would end the whole test process.
    settings.shutdown.budget = Duration::from_secs(3600);
    (address, settings)
}

async fn connect(address: SocketAddr) -> Client {
    let listens = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), listens).await.expect("it listens");
    Client::connect(address).await
}

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/panic", get(async || -> () { panic!("as it was told to") }))
        .route(
            "/peer",
            get(async |Extension(context): Extension<RequestContext>| {
                context.peer().map_or_else(|| "nobody".to_owned(), |peer| peer.to_string())
            }),
        )
}

fn hooked(builder: RoadBuilder, ran: &Arc<Mutex<Vec<&'static str>>>) -> RoadBuilder {
    let run = |name| {
        let ran = Arc::clone(ran);
        async move || {
            ran.lock().unwrap().push(name);
            Ok::<_, Infallible>(())
        }
    };
    builder
        .hook(Hook::new("flush", run("last")).last())
        .hook(Hook::new("second", run("second")).after("first"))
        .on_shutdown("first", run("first"))
}

#[tokio::test]
async fn a_road_serves_until_it_is_told_then_drains_runs_its_hooks_and_reports() {
    let (address, settings) = settings().await;
    let ran = Arc::default();
    let road = hooked(Road::builder("own").settings(settings), &ran).build().unwrap();
    let handle = road.shutdown();
    let serving = tokio::spawn(async move { (road.serve(app()).await.unwrap(), road) });

    let mut client = connect(address).await;
    assert_eq!(client.get("/").await.text(), "hello");
    assert_eq!(client.get("/peer").await.text(), client.local_addr().to_string());
    assert_eq!(client.get("/livez").await.status, 200);
    handle.trigger("the test is over");

    let (report, road) = timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
    assert_eq!(*ran.lock().unwrap(), ["first", "second", "last"]);
    assert!(matches!(road.serve(app()).await, Err(Error::AlreadyRun)));
}

#[tokio::test]
async fn a_road_serves_and_is_not_ready_while_a_latch_is_held() {
    let (address, settings) = settings().await;
    let migrations = Latch::new("migrations");
    let road = Road::builder("latched").settings(settings).latch(&migrations).build().unwrap();
    let handle = road.shutdown();
    let serving = tokio::spawn(async move { road.serve(app()).await.unwrap() });

    let mut client = connect(address).await;
    assert_eq!(client.get("/").await.text(), "hello");
    let reply = client.get("/readyz").await;
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("[-]migrations failed: reason withheld\n"), "{}", reply.text());
    migrations.release();
    assert_eq!(client.get("/readyz").await.status, 200);
    assert_eq!(client.get("/startupz").await.status, 200);
    handle.trigger("the test is over");
    let report = timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
}

#[tokio::test]
async fn on_stock_axum_the_same_road_knows_the_peer_and_says_connection_close_in_the_lame_duck() {
    let (address, mut settings) = settings().await;
    settings.shutdown.lame_duck = Duration::from_secs(1);
    let ran = Arc::default();
    let road = hooked(Road::builder("stock").settings(settings), &ran).build().unwrap();
    let handle = road.shutdown();
    let listener = TcpListener::bind(address).await.unwrap();
    let serving = tokio::spawn(async move {
        road.run(|draining| axum::serve(listener, road.make(app())).with_graceful_shutdown(draining))
            .await
            .unwrap()
    });

    let mut client = connect(address).await;
    let mut last = connect(address).await;
    let reply = client.get("/").await;
    assert_eq!((reply.text(), reply.header("connection")), ("hello", None));
    assert!(reply.header("x-request-id").is_some());
    assert_eq!(client.get("/peer").await.text(), client.local_addr().to_string());
    assert_eq!(client.get("/panic").await.status, 500);
    handle.trigger("the test is over");
    handle.watch().reached(macadam_core::Phase::LameDuck).await;
    assert_eq!(last.get("/").await.header("connection"), Some("close"));
    drop((client, last));

    let report = timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
    assert_eq!(*ran.lock().unwrap(), ["first", "second", "last"]);
}

#[tokio::test]
async fn a_form_of_ones_own_replaces_problem_documents_everywhere() {
    let (address, settings) = settings().await;
    let road = Road::builder("form")
        .settings(settings)
        .on_rejection(|rejection: &Rejection, _: &_, context: Option<&RequestContext>| {
            let id = context.and_then(RequestContext::request_id).expect("every request has one");
            Response::new(Bytes::from(format!("{} {id}", rejection.kind())))
        })
        .build()
        .unwrap();
    let handle = road.shutdown();
    let serving = tokio::spawn(async move { road.serve(app()).await.unwrap() });
    let mut client = connect(address).await;
    client.send("GET /panic HTTP/1.1\r\nhost: t\r\nx-request-id: mine\r\n\r\n").await;
    let reply = client.response().await;
    assert_eq!((reply.status.as_u16(), reply.text()), (500, "panicked mine"));
    handle.trigger("the test is over");
    assert_eq!(serving.await.unwrap().exit_code(), 0);
}

#[tokio::test]
async fn probes_leave_the_public_listener_where_the_settings_say_so() {
    let (address, mut settings) = settings().await;
    settings.health.public = false;
    let road = Road::builder("private").settings(settings).build().unwrap();
    let handle = road.shutdown();
    let app = app().route("/livez", get(async || "the app's own"));
    let serving = tokio::spawn(async move { road.serve(app).await.unwrap() });
    assert_eq!(connect(address).await.get("/livez").await.text(), "the app's own");
    handle.trigger("the test is over");
    assert_eq!(serving.await.unwrap().exit_code(), 0);
}

#[tokio::test]
async fn every_mistake_is_found_at_build() {
    let build = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        Road::builder("wrong").settings(settings).build().unwrap_err().to_string()
    };
    let budget = build(|settings| {
        settings.shutdown.drain = Duration::from_secs(19);
        settings.shutdown.budget = Duration::from_secs(10);
    });
    assert!(budget.contains("drain 19s") && budget.contains("10s"), "{budget}");
    let limit = build(|settings| settings.load_shed.max_in_flight = 0);
    assert!(limit.contains("`load_shed.max_in_flight` is 0") && limit.contains("`off`"), "{limit}");
    let never = build(|settings| settings.timeouts.request = Duration::ZERO);
    assert!(never.contains("`timeouts.request` is 0") && never.contains("`24h`"), "{never}");
    let twice = build(|settings| settings.admin.listen = Some(settings.listen));
    assert!(twice.contains("`listen` and `admin.listen` are both 127.0.0.1:8080"), "{twice}");
    let agent = build(|settings| settings.health.agent_check = settings.admin.listen);
    assert!(agent.contains("`admin.listen` and `health.agent_check` are both 127.0.0.1:9901"), "{agent}");
    let alone = build(|settings| {
        settings.health.agent_check = settings.admin.listen.take();
    });
    assert!(alone.contains("`health.agent_check` is set and `admin.listen` is off"), "{alone}");

    let same = || Check::new("postgres", async || Ok::<_, Infallible>(()));
    let error = Road::builder("wrong").check(same()).check(same()).build().unwrap_err();
    assert!(error.to_string().contains("postgres"), "{error}");
    assert_eq!(format!("{error:?}"), error.to_string(), "what main prints is for people");
}

#[test]
fn hooks_have_to_fit_into_what_the_phases_leave() {
    let run = async || Ok::<_, Infallible>(());
    let build = |limit| {
        let settings = Settings::from_toml("[shutdown]\nlame_duck = \"5s\"\ndrain = \"20s\"").unwrap();
        let limited = Hook::new("limited", run).limit(Duration::from_millis(limit)).after("first");
        Road::builder("hooks").settings(settings).on_shutdown("first", run).hook(limited).build()
    };
    assert!(build(2_300).is_ok(), "of 2.4 s that leaves 100 ms");
    let error = build(2_301).unwrap_err().to_string();
    assert!(error.contains("hook `first` 100ms + hook `limited` 2.301s"), "{error}");
}
