//! The page for people, on real sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use http::Request;
use macadam_admin::{Admin, AdminHandle};
use macadam_core::{Gauges, Outcome, Outcomes, Reading, RequestContext, Route};
use macadam_health::{Check, Health};
use macadam_test::wire::{Client, Reply};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep, timeout};

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn bound() -> Admin {
    Admin::bind(anywhere(), Health::builder().build().unwrap()).unwrap()
}

async fn ask(admin: &AdminHandle, path: &str, accept: &str) -> Client {
    let mut client = Client::connect(admin.local_addr()).await;
    client.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\naccept: {accept}\r\n\r\n")).await;
    client
}

async fn front(admin: &AdminHandle, accept: &str) -> Reply {
    ask(admin, "/", accept).await.response().await
}

/// What a browser sends.
const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

#[tokio::test]
async fn a_browser_gets_the_page_and_everybody_else_the_list_of_routes() {
    let admin = bound().service("orders").spawn().unwrap();
    for accept in [BROWSER, "TEXT/HTML", "text/plain, text/html;level=1"] {
        let reply = front(&admin, accept).await;
        assert_eq!(reply.header("content-type"), Some("text/html; charset=utf-8"), "{accept}");
        assert!(reply.text().starts_with("<!doctype html>") && reply.text().contains("<h1>orders</h1>"));
        assert_eq!((reply.header("vary"), reply.header("cache-control")), (Some("accept"), Some("no-store")));
    }
    for accept in ["*/*", "text/*", "application/json", "text/htmlx", "text/html;q=0", ""] {
        let reply = front(&admin, accept).await;
        assert_eq!(reply.header("content-type"), Some("text/plain; charset=utf-8"), "{accept}");
        assert_eq!(reply.header("vary"), Some("accept"));
    }
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    text.split_once(from).unwrap().1.split_once(to).unwrap().0
}

#[tokio::test]
async fn the_page_may_run_and_look_as_it_came_and_fetch_from_nobody_else() {
    let admin = bound().spawn().unwrap();
    let reply = front(&admin, BROWSER).await;
    let policy = reply.header("content-security-policy").unwrap();
    for (directive, element) in [("style-src", "style"), ("script-src", "script")] {
        let inside = between(reply.text(), &format!("<{element}>"), &format!("</{element}>"));
        let hash = BASE64_STANDARD.encode(Sha256::digest(inside));
        assert!(
            policy.contains(&format!("{directive} 'sha256-{hash}';")),
            "{directive} has to be {hash}: {policy}"
        );
    }
    assert!(policy.starts_with("default-src 'none';") && policy.contains("connect-src 'self';"), "{policy}");
    for elsewhere in ["http://", "https://", "//", "src=", "@import", "url(", "style=", "onclick"] {
        let text = reply.text().replace("\"http://www.w3.org", "");
        assert!(!text.contains(elsewhere) || elsewhere == "//" && text.contains("  // "), "{elsewhere}");
    }
}

struct Figure(&'static str);

impl Gauges for Figure {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        out(Reading { name: "figure", labels: &[("label", self.0)], value: 1.0 });
    }
}

const HOSTILE: &str = "<script>alert(1)</script>\"'&\r\n\r\ndata: <img src=x onerror=alert(2)>\rid: 7";

#[tokio::test]
async fn nothing_hostile_gets_in_neither_into_the_page_nor_into_the_stream() {
    let health = Health::builder().check(Check::new("postgres", async || Err(HOSTILE))).build().unwrap();
    let _schedule = health.spawn();
    let outcomes = Outcomes::new();
    let context = RequestContext::of(&mut Request::new(()));
    assert!(context.set_request_id(HOSTILE).is_err(), "an id is none that could hurt");
    context.set_route(Route::intern(HOSTILE));
    context.settle(Outcome::Panicked);
    outcomes.end(&context, None, false);
    sleep(Duration::from_millis(50)).await;
    let admin = Admin::bind(anywhere(), health).unwrap().service(HOSTILE).version(HOSTILE);
    let admin = admin.outcomes(outcomes).gauges(Arc::new(Figure(HOSTILE))).spawn().unwrap();

    let page = front(&admin, BROWSER).await;
    let mut stream = watch(&admin).await;
    let events = events(&mut stream, 2).await;
    for text in [page.text(), &events] {
        // Title and heading, version, reason, route, label.
        assert!(text.matches("&#60;script&#62;alert(1)").count() >= 5, "{text}");
        assert!(!text.contains("<script>alert") && !text.contains("<img"), "{text}");
    }
    assert!(!events.contains('\r'));
    assert!(events.lines().all(|line| line.is_empty() || line.starts_with("data: ")), "{events}");
}

/// So many events, as they come.
async fn events(stream: &mut Client, count: usize) -> String {
    let mut text = Vec::new();
    for _ in 0..count {
        let event =
            timeout(Duration::from_secs(5), stream.chunk()).await.expect("an event a second").unwrap();
        assert!(event.ends_with(b"\n\n"));
        text.extend_from_slice(&event);
    }
    String::from_utf8(text).unwrap()
}

async fn watch(admin: &AdminHandle) -> Client {
    let mut stream = ask(admin, "/stream", "text/event-stream").await;
    let head = stream.head_response().await;
    assert_eq!((head.status.as_u16(), head.header("content-type")), (200, Some("text/event-stream")));
    stream
}

#[tokio::test]
async fn the_stream_tells_within_a_second_of_what_is_new() {
    let outcomes = Outcomes::new();
    let admin = bound().outcomes(outcomes.clone()).spawn().unwrap();
    let mut stream = watch(&admin).await;
    let first = events(&mut stream, 1).await;
    assert!(first.contains("<dl>") && !first.contains("panicked"), "{first}");
    let context = RequestContext::of(&mut Request::new(()));
    context.settle(Outcome::Panicked);
    outcomes.end(&context, None, false);
    let happened = Instant::now();
    assert!(events(&mut stream, 1).await.contains("panicked"));
    assert!(happened.elapsed() < Duration::from_millis(1_500), "{:?}", happened.elapsed());
}

#[tokio::test]
async fn eight_may_watch_and_the_ninth_is_told_so_until_one_has_gone() {
    let admin = bound().spawn().unwrap();
    let mut streams = Vec::new();
    for _ in 0..8 {
        let mut stream = watch(&admin).await;
        events(&mut stream, 1).await;
        streams.push(stream);
    }
    let refused = ask(&admin, "/stream", "text/event-stream").await.response().await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, Some("5")));
    assert_eq!(Client::connect(admin.local_addr()).await.get("/livez").await.status, 200);

    drop(streams.pop());
    let has_room = async {
        loop {
            let head = ask(&admin, "/stream", "text/event-stream").await.some().await.unwrap();
            if head.starts_with(b"HTTP/1.1 200") {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(5), has_room).await.unwrap();
}

#[tokio::test]
async fn the_streams_end_when_the_listener_stops() {
    let admin = bound().spawn().unwrap();
    let mut stream = watch(&admin).await;
    events(&mut stream, 1).await;
    let told = Instant::now();
    admin.stop();
    assert!(told.elapsed() < Duration::from_millis(500));
    let _ = timeout(Duration::from_secs(1), stream.closed()).await.expect("it is closed");
}

struct Counted(Arc<AtomicUsize>);

impl Gauges for Counted {
    fn read(&self, _: &mut dyn FnMut(Reading<'_>)) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[tokio::test]
async fn however_many_ask_no_check_is_run_and_nothing_is_read_more_than_ten_times_a_second() {
    let (runs, reads) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let check = Check::new("postgres", {
        let runs = Arc::clone(&runs);
        move || {
            runs.fetch_add(1, SeqCst);
            async { Ok::<_, &str>(()) }
        }
    });
    let health = Health::builder().check(check).build().unwrap();
    let admin = Admin::bind(anywhere(), health).unwrap().gauges(Arc::new(Counted(Arc::clone(&reads))));
    let admin = admin.spawn().unwrap();
    let from = Instant::now();
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let to = admin.local_addr();
        asking.spawn(async move {
            let mut client = Client::connect(to).await;
            for path in
                ["/status", "/readyz?verbose", "/", "/readyz/postgres", "/status", "/livez", "/status"]
            {
                client.get(path).await;
            }
        });
    }
    asking.join_all().await;
    // The first one of all, one every 100 ms, and one that is under way.
    let most = 2 + from.elapsed().as_millis() as usize / 100;
    let read = reads.load(SeqCst);
    assert!((2..=most).contains(&read), "{read} reads, {most} allowed");
    assert_eq!(runs.load(SeqCst), 0);
}

#[tokio::test]
async fn who_asks_is_told_what_is_true_after_he_asked() {
    let outcomes = Outcomes::new();
    let admin = bound().outcomes(outcomes.clone()).spawn().unwrap();
    let mut client = Client::connect(admin.local_addr()).await;
    for count in 1..=5 {
        let context = RequestContext::of(&mut Request::new(()));
        context.settle(Outcome::Failed);
        outcomes.end(&context, None, false);
        let status = client.get("/status").await;
        assert_eq!(status.text().matches("\"outcome\": \"failed\"").count(), count);
    }
}
