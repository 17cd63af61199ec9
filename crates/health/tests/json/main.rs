//! The document of the draft: valid, and the same story as the text.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

#[path = "../ask/mod.rs"]
mod ask;

use std::time::Duration;

use http::{HeaderMap, HeaderValue, Method, Response, header::ACCEPT};
use jsonschema::Validator;
use macadam_core::{Phase, PhaseOwner};
use macadam_health::{Check, Health, HealthBuilder, HealthService};
use serde_json::{Value, json};

use self::ask::{ask, ask_for, ask_with};

const SCHEMA: &str = include_str!("draft-06.schema.json");

fn schema() -> Validator {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

async fn health(checks: impl IntoIterator<Item = Check>) -> Health {
    let health = checks.into_iter().fold(Health::builder(), HealthBuilder::check).build().unwrap();
    let schedule = health.spawn();
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(schedule);
    health
}

fn checks() -> [Check; 3] {
    let takes_12_ms = async || {
        tokio::time::sleep(Duration::from_millis(12)).await;
        Ok::<_, &str>(())
    };
    [
        Check::new("postgres", takes_12_ms),
        Check::new("redis", async || Err("no route to \"10.1.2.3\"")).failure_threshold(1),
        Check::new("search", async || Err("no node answers")).failure_threshold(1).degrading(),
    ]
}

async fn answer(service: HealthService, uri: &str, accept: &'static str) -> Response<String> {
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
    ask_for(service, Method::GET, uri, &headers).await
}

/// The status and the document, which is valid.
async fn document(service: HealthService, uri: &str) -> (u16, Value) {
    let answer = answer(service, uri, "application/health+json").await;
    assert_eq!(answer.headers()["content-type"], "application/health+json");
    let document = serde_json::from_str(answer.body()).unwrap();
    let errors: Vec<_> = schema().iter_errors(&document).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?} in {document:#}");
    (answer.status().as_u16(), document)
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_told_what_is_down_and_not_why_or_where() {
    let health = health(checks()).await;
    let (status, document) = document(health.service(), "/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(
        document,
        json!({
            "status": "fail",
            "output": "readyz check: not ok are redis, search",
            "checks": {
                "ping": [{ "componentType": "system", "status": "pass" }],
                "postgres:responseTime": [{ "componentType": "component", "status": "pass" }],
                "redis:responseTime": [{ "componentType": "component", "status": "fail" }],
                "search:responseTime": [{ "componentType": "component", "status": "warn" }],
            }
        })
    );
}

#[tokio::test(start_paused = true)]
async fn with_details_a_check_has_its_duration_its_time_and_its_reason() {
    let health = health(checks()).await;
    let (_, document) = document(health.service().details(true), "/readyz").await;
    let checks = &document["checks"];
    assert_eq!(checks["redis:responseTime"][0]["output"], "no route to \"10.1.2.3\"");
    let postgres = &checks["postgres:responseTime"][0];
    let took = postgres["observedValue"].as_f64().unwrap();
    assert!((12.0..14.0).contains(&took), "{took} ms");
    assert_eq!(postgres["observedUnit"], "ms");
    let time = humantime::parse_rfc3339(postgres["time"].as_str().unwrap()).unwrap();
    assert!(time.elapsed().unwrap() < Duration::from_secs(60));
    assert_eq!(checks["ping"], json!([{ "componentType": "system", "status": "pass" }]));
}

#[tokio::test(start_paused = true)]
async fn it_warns_where_the_text_passes_and_a_check_degrades() {
    let health = health(checks()).await;
    let uri = "/readyz?exclude=redis&exclude=nothing";
    assert_eq!(ask(&health, uri).await, (200, "ok".into()));
    let (status, document) = document(health.service(), uri).await;
    assert_eq!((status, &document["status"]), (200, &json!("warn")));
    assert_eq!(document["notes"], json!(["redis is excluded"]));
    assert_eq!(document["checks"].get("redis:responseTime"), None);
}

#[tokio::test(start_paused = true)]
async fn one_check_alone_answers_for_itself() {
    let health = health(checks()).await;
    let (status, document) = document(health.service(), "/readyz/search").await;
    assert_eq!((status, &document["status"]), (503, &json!("fail")));
    assert_eq!(document["checks"].as_object().unwrap().len(), 1);
    let answer = answer(health.service(), "/readyz/nothing", "application/health+json").await;
    assert_eq!(answer.status(), 404);
}

#[tokio::test(start_paused = true)]
async fn it_is_valid_before_the_first_run_and_in_every_phase() {
    let owner = PhaseOwner::new();
    let health = checks().into_iter().fold(Health::builder(), HealthBuilder::check).phase(owner.watch());
    let health = health.build().unwrap();
    for phase in [Phase::Starting, Phase::Serving, Phase::LameDuck, Phase::Stopped] {
        owner.advance(phase, None);
        for probe in ["/livez", "/readyz", "/startupz", "/readyz/shutdown"] {
            for details in [false, true] {
                let (status, document) = document(health.service().details(details), probe).await;
                assert_eq!(status == 200, document["status"] != "fail", "{probe} in {phase}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_knows_only_json_gets_the_same_under_that_name_and_text_has_a_name_too() {
    let health = health([]).await;
    let json = answer(health.service(), "/livez", "application/json").await;
    assert_eq!(json.headers()["content-type"], "application/json");
    assert_eq!(json.headers()["cache-control"], "no-store");
    assert_eq!(
        json.body(),
        r#"{"status":"pass","checks":{"ping":[{"componentType":"system","status":"pass"}]}}"#
    );
    let text = answer(health.service(), "/livez", "text/plain, application/health+json;q=0.9").await;
    assert_eq!(
        (text.headers()["content-type"].to_str().unwrap(), text.body().as_str()),
        ("text/plain; charset=utf-8", "ok")
    );
    let post = ask_with(health.service(), Method::POST, "/livez").await;
    assert_eq!(post.status(), 405);
}

#[test]
fn the_schema_refuses_what_the_draft_does() {
    let schema = schema();
    for (valid, document) in [
        (true, json!({ "status": "pass" })),
        (false, json!({})),
        (false, json!({ "status": "healthy" })),
        (false, json!({ "status": "warn" })),
        (false, json!({ "status": "pass", "output": "all is well" })),
        (false, json!({ "status": "pass", "checks": { "a:b:c": [{ "componentType": "system" }] } })),
        (false, json!({ "status": "pass", "checks": { "a": [{ "status": "pass" }] } })),
        (
            false,
            json!({ "status": "pass", "checks": { "a": [{ "componentType": "system", "observedValue": 1 }] } }),
        ),
        (
            false,
            json!({ "status": "pass", "checks": { "a": [{ "componentType": "system", "time": "yesterday" }] } }),
        ),
    ] {
        assert_eq!(schema.is_valid(&document), valid, "{document}");
    }
}
