//! Who goes first, and at whose cost.

use crate::stand::{Answer, Stand, limit, refused, turn};
use http::{Request, StatusCode};
use macadam_core::{Criticality, Rejection, RequestContext, Wire};
use macadam_load_shed::{LoadShedHandle, LoadShedLayer};
use tokio::{
    task::JoinHandle,
    time::{Duration, Instant},
};

fn by_path(layer: LoadShedLayer) -> LoadShedLayer {
    layer.criticality(|head| match head.uri.path() {
        "/pay" => Criticality::Critical,
        "/report" => Criticality::Sheddable,
        path => panic!("nobody asks for {path}"),
    })
}

fn by_tenant(layer: LoadShedLayer) -> LoadShedLayer {
    layer.tenant(|head| head.headers.get("x-tenant").cloned())
}

async fn of_tenant(stand: &Stand, tenant: &'static str) -> JoinHandle<Answer> {
    stand.send(Request::get("/").header("x-tenant", tenant).body(()).unwrap()).await
}

async fn reason(answer: JoinHandle<Answer>) -> (StatusCode, Option<&'static str>) {
    assert!(answer.is_finished(), "it was not refused at once");
    let response = answer.await.unwrap().unwrap();
    (response.status(), response.extensions().get::<Rejection>().and_then(Rejection::reason))
}

/// The path of the request that is called next, which is answered.
fn next(stand: &Stand) -> String {
    let call = stand.script.try_next_call().expect("somebody has a slot");
    let path = call.request().uri().path().to_owned();
    call.ok();
    path
}

#[tokio::test(start_paused = true)]
async fn what_matters_more_goes_first_and_takes_the_place_of_what_matters_less() {
    let stand = Stand::new(by_path(limit(1).queue(2)));
    let _runs = stand.get("/report").await;
    let first = stand.get("/report").await;
    let second = stand.get("/report").await;
    let pays = stand.get("/pay").await;
    assert_eq!(reason(first).await, (StatusCode::SERVICE_UNAVAILABLE, Some("criticality")));
    assert_eq!(
        reason(stand.get("/report").await).await,
        (StatusCode::SERVICE_UNAVAILABLE, Some("queue-full"))
    );

    assert_eq!(next(&stand), "/report", "what runs is not cut short");
    turn().await;
    assert_eq!(next(&stand), "/pay");
    turn().await;
    assert_eq!(next(&stand), "/report");
    assert_eq!(pays.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(second.await.unwrap().unwrap().status(), StatusCode::OK);
    assert_eq!(stand.figures(), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_header_that_nobody_was_told_to_trust_changes_nothing() {
    let stand = Stand::new(by_path(limit(1).queue(1)));
    let _runs = stand.get("/report").await;
    let _waits = stand.get("/report").await;
    for header in ["x-criticality", "criticality", "priority", "x-tenant"] {
        let forged = Request::get("/report").header(header, "critical-plus").body(()).unwrap();
        assert_eq!(reason(stand.send(forged).await).await.1, Some("queue-full"), "{header}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_handler_sees_how_much_its_request_matters_and_a_layer_before_may_have_said_so() {
    let request = || {
        let mut request = Request::get("/report").body(()).unwrap();
        let context = RequestContext::new(Instant::now(), None, Wire::of(&request));
        request.extensions_mut().insert(context.clone());
        (request, context)
    };
    let (rated, context) = request();
    Stand::new(by_path(limit(1))).send(rated).await;
    assert_eq!(context.criticality(), Criticality::Sheddable);

    let stand = Stand::new(limit(1).queue(1));
    let _runs = stand.get("/").await;
    let (sheddable, context) = request();
    context.set_criticality(Criticality::Sheddable);
    let sheddable = stand.send(sheddable).await;
    let _critical = stand.get("/").await;
    assert_eq!(reason(sheddable).await.1, Some("criticality"));
}

#[tokio::test(start_paused = true)]
async fn a_slot_goes_to_the_tenant_that_has_the_fewest() {
    let stand = Stand::new(by_tenant(limit(2).queue(8)));
    for _ in 0..4 {
        of_tenant(&stand, "greedy").await;
    }
    of_tenant(&stand, "modest").await;
    assert_eq!(stand.figures(), (2, 3));
    next(&stand);
    turn().await;
    let tenants: Vec<_> = std::iter::from_fn(|| stand.script.try_next_call())
        .map(|call| call.request().headers()["x-tenant"].to_str().unwrap().to_owned())
        .collect();
    assert_eq!(tenants, ["greedy", "modest"], "who came last has a slot before the third of the other's");
}

#[tokio::test(start_paused = true)]
async fn the_tenant_that_has_most_is_refused_for_its_share_with_429() {
    let stand = Stand::new(by_tenant(limit(1).queue(2)));
    let _runs = of_tenant(&stand, "greedy").await;
    let first = of_tenant(&stand, "greedy").await;
    let _second = of_tenant(&stand, "greedy").await;
    let _modest = of_tenant(&stand, "modest").await;
    assert_eq!(reason(first).await, (StatusCode::TOO_MANY_REQUESTS, Some("tenant")));
    let more = of_tenant(&stand, "greedy").await;
    assert_eq!(reason(more).await, (StatusCode::TOO_MANY_REQUESTS, Some("tenant")));
    assert_eq!(refused(&stand.gate, "tenant"), 2.0);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_alone_has_all_there_is() {
    let stand = Stand::new(by_tenant(limit(8).queue(0)));
    for _ in 0..8 {
        of_tenant(&stand, "greedy").await;
    }
    assert_eq!(stand.figures(), (8, 0));
    let ninth = of_tenant(&stand, "greedy").await;
    assert_eq!(reason(ninth).await, (StatusCode::SERVICE_UNAVAILABLE, Some("queue-full")));
}

/// Runs a request for as long as it takes for the beat to have asked once more.
async fn an_interval() {
    // The beat comes on time, where time is not made to jump.
    tokio::time::sleep(Duration::from_millis(110)).await;
}

#[tokio::test(start_paused = true)]
async fn under_pressure_the_classes_are_refused_from_the_bottom_up() {
    let scarce = std::sync::Arc::new(std::sync::Mutex::new(0.0));
    let reads = std::sync::Arc::clone(&scarce);
    let layer = by_path(LoadShedLayer::adaptive()).pressure(move || *reads.lock().unwrap());
    let stand = Stand::new(layer);
    let _keeps_the_beat = stand.get("/pay").await;

    let both = async |gate: &LoadShedHandle| {
        let before = refused(gate, "pressure");
        let report = stand.get("/report").await;
        let pay = stand.get("/pay").await;
        (report.is_finished(), pay.is_finished(), refused(gate, "pressure") - before)
    };
    for (pressure, expected) in [
        (0.84, (false, false, 0.0)),
        (0.85, (true, false, 1.0)),
        (0.95, (true, true, 2.0)),
        (f64::NAN, (false, false, 0.0)),
        (0.0, (false, false, 0.0)),
    ] {
        *scarce.lock().unwrap() = pressure;
        an_interval().await;
        assert_eq!(both(&stand.gate).await, expected, "at {pressure}");
    }
}
