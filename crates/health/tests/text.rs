//! The answers, to the byte. Those without a phase are the table of `healthz_test.go` in k8s.io/apiserver.

mod ask;

use http::{Method, StatusCode};
use macadam_health::{Check, Health, HealthBuilder};

use self::ask::{ask, ask_with};

async fn health(checks: impl IntoIterator<Item = Check>) -> Health {
    let health =
        checks.into_iter().fold(Health::builder(), HealthBuilder::check).build().expect("the names are fit");
    let schedule = health.spawn();
    settle().await;
    drop(schedule);
    health
}

/// Lets what is spawned run as far as it can.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

fn good(name: &str) -> Check {
    Check::new(name, async || Ok::<_, &str>(()))
}

fn bad(name: &str) -> Check {
    Check::new(name, async || Err("this will fail")).failure_threshold(1)
}

async fn public(health: &Health, uri: &str) -> (u16, String) {
    let answer = ask_with(health.service(), Method::GET, uri).await;
    (answer.status().as_u16(), answer.into_body())
}

#[tokio::test(start_paused = true)]
async fn answers_are_those_of_kubernetes_but_for_the_status() {
    for (probe, good, bad) in [
        ("readyz", health([]).await, health([bad("bad")]).await),
        ("livez", health([]).await, health([bad("bad").liveness()]).await),
        ("startupz", health([]).await, health([bad("bad").startup()]).await),
    ] {
        let failed = format!("[+]ping ok\n[-]bad failed: reason withheld\n{probe} check failed\n");
        for (health, query, status, text) in [
            (&good, "?verbose", 200, format!("[+]ping ok\n{probe} check passed\n")),
            (&good, "?exclude=dontexist", 200, "ok".into()),
            (&bad, "?exclude=bad", 200, "ok".into()),
            (
                &bad,
                "?verbose=true&exclude=bad",
                200,
                format!("[+]ping ok\n[+]bad excluded: ok\n{probe} check passed\n"),
            ),
            (
                &good,
                "?verbose=true&exclude=dontexist",
                200,
                format!(
                    "[+]ping ok\nwarn: some health checks cannot be excluded: no matches for \"dontexist\"\n{probe} check passed\n"
                ),
            ),
            (&good, "/ping", 200, "ok".into()),
            (&good, "", 200, "ok".into()),
            (&bad, "?verbose", 503, failed.clone()),
            (&bad, "/ping", 200, "ok".into()),
            (&bad, "", 503, failed),
        ] {
            assert_eq!(public(health, &format!("/{probe}{query}")).await, (status, text), "/{probe}{query}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reasons_are_told_only_where_details_are_on() {
    let health = health([bad("bad")]).await;
    assert_eq!(public(&health, "/readyz/bad").await, (503, "[-]bad failed: reason withheld\n".into()));
    assert_eq!(ask(&health, "/readyz/bad").await, (503, "[-]bad failed: this will fail\n".into()));
    assert_eq!(
        ask(&health, "/readyz").await,
        (503, "[+]ping ok\n[-]bad failed: this will fail\nreadyz check failed\n".into())
    );
}

#[tokio::test(start_paused = true)]
async fn a_reason_cannot_forge_a_line() {
    let health =
        health([Check::new("bad", async || Err("no\n[+]bad ok\r\nreadyz check passed\n\u{1b}[2J"))]).await;
    let (_, text) = ask(&health, "/readyz/bad").await;
    assert_eq!(text, "[-]bad failed: no [+]bad ok  readyz check passed  [2J\n");
}

#[tokio::test(start_paused = true)]
async fn a_degrading_check_is_named_and_fails_no_probe_but_its_own() {
    let health = health([bad("search").degrading(), good("postgres")]).await;
    assert_eq!(public(&health, "/readyz").await, (200, "ok".into()));
    assert_eq!(
        public(&health, "/readyz?verbose").await,
        (
            200,
            "[+]ping ok\n[+]search degraded: reason withheld\n[+]postgres ok\nreadyz check passed\n".into()
        )
    );
    assert_eq!(ask(&health, "/readyz/search").await, (503, "[+]search degraded: this will fail\n".into()));
    assert!(health.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_probe_asks_its_own_checks_and_readiness_asks_startup_too() {
    let health = health([good("live").liveness(), good("ready"), good("started").startup()]).await;
    let lines = |names: &[&str], probe: &str| {
        let lines: String = names.iter().map(|name| format!("[+]{name} ok\n")).collect();
        (200, format!("{lines}{probe} check passed\n"))
    };
    assert_eq!(public(&health, "/livez?verbose").await, lines(&["ping", "live"], "livez"));
    assert_eq!(public(&health, "/readyz?verbose").await, lines(&["ping", "ready", "started"], "readyz"));
    assert_eq!(public(&health, "/startupz?verbose").await, lines(&["ping", "started"], "startupz"));
    assert_eq!(public(&health, "/livez/ready").await.0, 404);
    assert_eq!(public(&health, "/readyz/started").await, (200, "ok".into()));
}

#[tokio::test(start_paused = true)]
async fn several_checks_are_excluded_and_the_unknown_are_warned_of_once_and_in_order() {
    let health = health([bad("a"), bad("b"), good("c")]).await;
    assert_eq!(
        public(&health, "/readyz?verbose&exclude=b&exclude=z&exclude=a&exclude=y&exclude=z").await,
        (
            200,
            "[+]ping ok\n[+]a excluded: ok\n[+]b excluded: ok\n[+]c ok\n\
             warn: some health checks cannot be excluded: no matches for \"y\",\"z\"\nreadyz check passed\n"
                .into()
        )
    );
    assert_eq!(public(&health, "/readyz?exclude=a").await.0, 503);
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_wants_excluded_is_echoed_in_short_and_escaped() {
    let health = health([]).await;
    let many: String = (0..60).map(|n| format!("&exclude=x{n:02}{}", "y".repeat(200))).collect();
    let (_, text) = public(&health, &format!("/readyz?verbose{many}")).await;
    assert!(text.len() < 700, "{}", text.len());
    let (_, text) = public(&health, "/readyz?verbose&exclude=a\\b").await;
    assert!(text.contains(r#"no matches for "a\\b""#), "{text}");
}

#[tokio::test(start_paused = true)]
async fn every_answer_is_plain_text_that_nobody_stores() {
    let health = health([bad("bad")]).await;
    for (method, uri, status) in [
        (Method::GET, "/livez", 200),
        (Method::HEAD, "/livez", 200),
        (Method::GET, "/readyz", 503),
        (Method::GET, "/readyz/nothing", 404),
        (Method::GET, "/readyz/", 404),
        (Method::GET, "/orders", 404),
        (Method::POST, "/livez", 405),
    ] {
        let answer = ask_with(health.service(), method, uri).await;
        assert_eq!(answer.status(), status, "{uri}");
        assert_eq!(answer.headers()["content-type"], "text/plain; charset=utf-8");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    }
}

#[tokio::test(start_paused = true)]
async fn head_is_answered_as_get_without_the_body() {
    let health = health([bad("bad")]).await;
    let get = ask_with(health.service(), Method::GET, "/readyz").await;
    let head = ask_with(health.service(), Method::HEAD, "/readyz").await;
    assert_eq!((head.status(), head.body().as_str()), (get.status(), ""));
    assert_eq!(head.headers()["content-length"], get.body().len().to_string());
}

#[tokio::test(start_paused = true)]
async fn other_methods_get_405_and_are_told_which_are_allowed() {
    let health = health([]).await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH, Method::TRACE] {
        let answer = ask_with(health.service(), method, "/readyz").await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.headers()["allow"], "GET, HEAD");
    }
}
