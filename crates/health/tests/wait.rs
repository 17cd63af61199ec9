//! Who asks to wait is answered with the news, and at the end of its patience all the same.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

mod ask;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{
    HeaderMap, HeaderValue, Method, Response,
    header::{ETAG, IF_NONE_MATCH},
};
use macadam_core::{Phase, PhaseOwner};
use macadam_health::{Check, Health};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

use self::ask::{ask, ask_for, ask_with};

const TICK: Duration = Duration::from_millis(1);

fn health() -> (PhaseOwner, Health) {
    let owner = PhaseOwner::new();
    let health = Health::builder().phase(owner.watch()).build().unwrap();
    owner.advance(Phase::Serving, None);
    (owner, health)
}

async fn tag(health: &Health, uri: &str) -> HeaderValue {
    ask_with(health.service(), Method::GET, uri).await.headers()[ETAG].clone()
}

/// Waits for what is not `known`, and says how long it took.
fn wait(health: &Health, uri: &'static str, known: HeaderValue, prefer: &'static str) -> Waiting {
    let service = health.service();
    let mut headers = HeaderMap::new();
    headers.insert(IF_NONE_MATCH, known);
    headers.insert("prefer", HeaderValue::from_static(prefer));
    tokio::spawn(async move {
        let start = Instant::now();
        let answer = ask_for(service, Method::GET, uri, &headers).await;
        (start.elapsed(), answer)
    })
}

type Waiting = JoinHandle<(Duration, Response<String>)>;

#[tokio::test(start_paused = true)]
async fn a_state_that_is_not_the_known_one_is_told_at_once() {
    let (_owner, health) = health();
    let known = HeaderValue::from_static("W/\"fail-0000000000000000\"");
    let (took, answer) = wait(&health, "/readyz", known, "wait=10").await.unwrap();
    assert_eq!((took, answer.status().as_u16()), (Duration::ZERO, 200));
    assert!(!answer.headers().contains_key("preference-applied"));
}

#[tokio::test(start_paused = true)]
async fn without_news_the_answer_comes_after_the_wait_and_is_whole() {
    let (_owner, health) = health();
    let known = tag(&health, "/readyz?verbose").await;
    let (took, answer) = wait(&health, "/readyz?verbose", known.clone(), "wait=10").await.unwrap();
    assert!((10_000..=10_001).contains(&took.as_millis()), "{took:?}");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()[ETAG], known);
    assert_eq!(answer.headers()["preference-applied"], "wait=10");
    assert_eq!(*answer.body(), ask(&health, "/readyz?verbose").await.1);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_more_than_a_minute() {
    let (_owner, health) = health();
    let known = tag(&health, "/readyz").await;
    let (took, answer) = wait(&health, "/readyz", known, "wait=86400").await.unwrap();
    assert!((60_000..=60_001).contains(&took.as_millis()), "{took:?}");
    assert_eq!(answer.headers()["preference-applied"], "wait=60");
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_told_in_the_same_tick_and_noted() {
    let (owner, health) = health();
    let known = tag(&health, "/readyz").await;
    let waiting = wait(&health, "/readyz", known, "wait=30");
    sleep(Duration::from_secs(3)).await;
    assert!(!waiting.is_finished());
    assert_eq!(owner.watch().probes(), 0);
    owner.advance(Phase::LameDuck, None);
    let (took, answer) = waiting.await.unwrap();
    assert!(took <= Duration::from_secs(3) + TICK, "{took:?}");
    assert_eq!(answer.status(), 503);
    assert_eq!(owner.watch().probes(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_end_of_a_lame_duck_is_told_so_and_does_not_keep_its_connection() {
    let (owner, health) = health();
    owner.advance(Phase::LameDuck, None);
    let known = tag(&health, "/readyz").await;
    let waiting = wait(&health, "/readyz", known, "wait=30");
    sleep(Duration::from_secs(5)).await;
    assert!(!waiting.is_finished());
    owner.advance(Phase::Draining, None);
    let (took, answer) = waiting.await.unwrap();
    assert!(took <= Duration::from_secs(5) + TICK, "{took:?}");
    assert_eq!(answer.status(), 503);
}

#[tokio::test(start_paused = true)]
async fn a_check_that_flips_is_told_and_one_of_another_probe_is_not() {
    let up = Arc::new(AtomicBool::new(true));
    let is_up = Arc::clone(&up);
    let check = Check::new("it", move || {
        let up = is_up.load(Relaxed);
        async move { if up { Ok(()) } else { Err("down") } }
    });
    let health = Health::builder().check(check.failure_threshold(1).jitter(0.0)).build().unwrap();
    let _schedule = health.spawn();
    sleep(Duration::from_secs(10)).await;
    let (ready, live) = (tag(&health, "/readyz").await, tag(&health, "/livez").await);
    let told = wait(&health, "/readyz", ready, "wait=30");
    let untold = wait(&health, "/livez", live, "wait=30");
    up.store(false, Relaxed);
    let (took, answer) = told.await.unwrap();
    assert!(took <= Duration::from_secs(5) + TICK, "{took:?}");
    assert_eq!(answer.body(), "[+]ping ok\n[-]it failed: reason withheld\nreadyz check failed\n");
    assert!(!untold.is_finished());
    assert_eq!(untold.await.unwrap().1.body(), "ok");
}

#[tokio::test(start_paused = true)]
async fn the_tag_is_that_of_the_state_and_the_same_in_every_process_and_form() {
    let (owner, one) = health();
    let (_other_owner, other) = health();
    assert_eq!(tag(&one, "/readyz").await, tag(&other, "/readyz?verbose").await);
    assert_ne!(tag(&one, "/readyz").await, tag(&one, "/livez").await);
    assert!(tag(&one, "/readyz").await.to_str().unwrap().starts_with("W/\"pass-"));
    owner.advance(Phase::LameDuck, None);
    assert!(tag(&one, "/readyz").await.to_str().unwrap().starts_with("W/\"fail-"));
}

#[tokio::test(start_paused = true)]
async fn no_more_than_64_wait_and_who_leaves_makes_room() {
    let (_owner, health) = health();
    let known = tag(&health, "/readyz").await;
    let waiting: Vec<_> = (0..64).map(|_| wait(&health, "/readyz", known.clone(), "wait=30")).collect();
    sleep(TICK).await;
    let (took, answer) = wait(&health, "/readyz", known.clone(), "wait=30").await.unwrap();
    assert_eq!((took, answer.status().as_u16()), (Duration::ZERO, 200));
    assert!(!answer.headers().contains_key("preference-applied"));

    waiting[0].abort();
    sleep(TICK).await;
    let late = wait(&health, "/readyz", known.clone(), "wait=30");
    sleep(TICK).await;
    assert!(!late.is_finished());
    for waiting in waiting.into_iter().skip(1) {
        assert_eq!(waiting.await.unwrap().1.status(), 200);
    }
}
