//! The status is what its schema in docs/ says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::Request;
use jsonschema::Validator;
use macadam_admin::Admin;
use macadam_core::{Gauges, InFlight, Outcome, Outcomes, Phase, PhaseOwner, Reading, RequestContext, Route};
use macadam_health::{Check, Health};
use macadam_test::wire::Client;
use serde_json::{Value, json};
use tokio::time::sleep;

const SCHEMA: &str = include_str!("../../../docs/status.schema.json");

/// The schema, and no member that it does not name.
fn strict() -> Validator {
    fn close(schema: &mut Value) {
        if let Some(object) = schema.as_object_mut() {
            if object.contains_key("properties") {
                object.insert("additionalProperties".into(), false.into());
            }
            object.values_mut().for_each(close);
        }
    }
    let mut schema = serde_json::from_str(SCHEMA).unwrap();
    close(&mut schema);
    jsonschema::draft202012::new(&schema).unwrap()
}

fn errors(validator: &Validator, status: &Value) -> Vec<String> {
    validator.iter_errors(status).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

async fn status(admin: Admin) -> (Value, macadam_admin::AdminHandle) {
    let admin = admin.spawn().unwrap();
    let reply = Client::connect(admin.local_addr()).await.get("/status").await;
    (serde_json::from_slice(&reply.body).unwrap(), admin)
}

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

#[tokio::test]
async fn the_status_of_a_bare_admin_is_what_the_schema_says() {
    let (status, _admin) = status(Admin::bind(anywhere(), Health::builder().build().unwrap()).unwrap()).await;
    assert_eq!(errors(&strict(), &status), [""; 0]);
}

struct Figures;

impl Gauges for Figures {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        let mut gauge = |name, labels: &[(&'static str, &str)], value| out(Reading { name, labels, value });
        gauge("macadam_load_shed_in_flight", &[("phase", "slot")], 1.0);
        gauge("macadam_load_shed_limit", &[], 2.0);
        gauge("macadam_load_shed_queued", &[], 3.0);
        gauge("macadam_load_shed_lag_seconds", &[], 0.004);
        gauge("macadam_load_shed_refused_total", &[("reason", "lag")], 5.0);
        gauge("macadam_runtime_workers", &[], 2.0);
        gauge("macadam_runtime_stalled_workers", &[], 1.0);
        gauge("macadam_runtime_stall_seconds", &[], 1.5);
        gauge("broken", &[], f64::NAN);
    }
}

#[tokio::test]
async fn the_status_of_a_busy_service_is_what_the_schema_says() {
    let owner = PhaseOwner::new();
    let passes = Check::new("postgres", async || Ok::<_, &str>(()));
    let fails = Check::new("search", async || Err("refused")).degrading();
    let hangs = Check::new("disk", std::future::pending::<Result<(), &str>>).liveness();
    let health = Health::builder().check(passes).check(fails).check(hangs).phase(owner.watch());
    let health = health.build().unwrap();
    let _schedule = health.spawn();
    owner.advance(Phase::Serving, None);
    let (outcomes, in_flight) = (Outcomes::new(), InFlight::new());
    for route in [None, Some(Route::intern("/orders/{id}"))] {
        let context = RequestContext::of(&mut Request::new(()));
        context.set_request_id("01J-42").unwrap();
        route.into_iter().for_each(|route| context.set_route(route));
        context.settle(Outcome::TimedOut);
        outcomes.end(&context, None, false);
    }
    let waiting = RequestContext::of(&mut Request::new(()));
    waiting.set_request_id("01J-43").unwrap();
    let _waits = in_flight.enter(Some(waiting));
    sleep(Duration::from_millis(50)).await;

    let admin = Admin::bind(anywhere(), health).unwrap().service("orders").version("1.4.2");
    let admin = admin.phase(owner.watch()).in_flight(in_flight).outcomes(outcomes).gauges(Arc::new(Figures));
    let (status, _admin) = status(admin).await;
    assert_eq!(errors(&strict(), &status), [""; 0]);
    assert_eq!(
        status["load"],
        json!({
            "limit": 2.0, "working": 1.0, "queued": 3.0, "lag_ms": 4.0, "refused": [{ "reason": "lag", "total": 5.0 }],
        })
    );
    assert_eq!(status["runtime"], json!({ "workers": 2.0, "stalled": 1.0, "stall_ms": 1500.0 }));
    assert_eq!(status["checks"][0]["status"], "pass");
    assert_eq!(
        (&status["checks"][1]["status"], &status["checks"][1]["reason"]),
        (&json!("warn"), &json!("refused"))
    );
    assert_eq!(status["checks"][1]["history"][0]["outcome"], "failed");
    assert!(status["checks"][2]["running_ms"].is_u64());
    assert_eq!(
        (&status["noted"][0]["outcome"], &status["noted"][0]["id"]),
        (&json!("timed-out"), &json!("01J-42"))
    );
}

#[tokio::test]
async fn a_member_that_is_missing_or_that_nobody_has_written_down_is_found() {
    let (mut status, _admin) =
        status(Admin::bind(anywhere(), Health::builder().build().unwrap()).unwrap()).await;
    status["probes"].as_object_mut().unwrap().remove("livez");
    status["memory"]["swap"] = 1.into();
    assert_eq!(errors(&strict(), &status).len(), 2);
}
