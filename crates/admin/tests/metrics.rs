//! What `/metrics` answers, whoever writes it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};

use macadam_admin::Admin;
use macadam_health::Health;
use macadam_test::wire::Client;
use tokio::time::Instant;

fn admin() -> Admin {
    let health = Health::builder().build().expect("no checks, no mistakes");
    Admin::bind(SocketAddr::from(([127, 0, 0, 1], 0)), health).expect("there is a port")
}

#[tokio::test]
async fn a_scrape_is_written_anew_each_time_and_has_its_media_type() {
    let scrapes = AtomicUsize::new(0);
    let write = move |accept: Option<&str>| {
        assert_eq!(accept, None);
        ("text/plain; version=0.0.4", format!("scrapes {}\n", scrapes.fetch_add(1, SeqCst)))
    };
    let admin = admin().metrics(write).spawn().unwrap();
    for scrape in 0..3 {
        let reply = Client::connect(admin.local_addr()).await.get("/metrics").await;
        assert_eq!((reply.status.as_u16(), reply.text()), (200, &*format!("scrapes {scrape}\n")));
        assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4"));
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    }
    let index = Client::connect(admin.local_addr()).await.get("/").await;
    assert!(index.text().contains("/metrics"), "{}", index.text());
}

#[tokio::test]
async fn who_writes_is_told_what_the_scraper_accepts() {
    let write = |accept: Option<&str>| ("text/plain", accept.unwrap_or("nothing").to_owned());
    let admin = admin().metrics(write).spawn().unwrap();
    let mut scraper = Client::connect(admin.local_addr()).await;
    scraper.send("GET /metrics HTTP/1.1\r\nhost: test\r\naccept: text/x;q=0.5\r\n\r\n").await;
    let reply = scraper.response().await;
    assert_eq!((reply.text(), reply.header("vary")), ("text/x;q=0.5", Some("accept")));
}

#[tokio::test]
async fn where_nobody_writes_metrics_there_is_no_such_path() {
    let admin = admin().spawn().unwrap();
    let reply = Client::connect(admin.local_addr()).await.get("/metrics").await;
    assert_eq!(reply.status, 404);
    let index = Client::connect(admin.local_addr()).await.get("/").await;
    assert!(!index.text().contains("/metrics"), "{}", index.text());
}

#[tokio::test]
async fn a_scrape_that_hangs_is_given_up_hangs_once_and_keeps_nobody_waiting() {
    let (entered, enters) = mpsc::sync_channel(2);
    let (release, released) = mpsc::sync_channel::<()>(0);
    let released = Arc::new(Mutex::new(released));
    let write = move |_: Option<&str>| {
        entered.send(()).expect("the test waits for it");
        let _ = released.lock().unwrap_or_else(PoisonError::into_inner).recv();
        ("text/plain", String::new())
    };
    let admin = admin().metrics(write).spawn().unwrap();
    let mut scrapers = Vec::new();
    for _ in 0..2 {
        let mut scraper = Client::connect(admin.local_addr()).await;
        scraper.send("GET /metrics HTTP/1.1\r\nhost: test\r\n\r\n").await;
        scrapers.push(scraper);
    }
    enters.recv().unwrap();
    let asked = Instant::now();
    assert_eq!(Client::connect(admin.local_addr()).await.get("/readyz").await.status, 200);
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    for mut scraper in scrapers {
        let reply = scraper.response().await;
        let hangs = "something that the metrics are read from hangs\n";
        assert_eq!((reply.status.as_u16(), reply.text()), (503, hangs));
    }
    assert!(enters.try_recv().is_err(), "the second waited for its turn");

    let told = Instant::now();
    admin.stop();
    assert!(told.elapsed() < Duration::from_millis(500), "{:?}", told.elapsed());
    drop(release);
}
