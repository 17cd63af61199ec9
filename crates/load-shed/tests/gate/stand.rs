//! A gate before a scripted service, with requests that run as tasks.

use std::future::poll_fn;

use http::{Request, Response};
use macadam_core::{Gauges, GuardedBody, Rejection, RequestContext, ResponseBody, Wire};
use macadam_load_shed::{LoadShed, LoadShedHandle, LoadShedLayer, Permit};
use macadam_test::{Refused, Script, ScriptedBody, ScriptedService};
use tokio::{
    task::JoinHandle,
    time::{Duration, Instant},
};
use tower::{Layer, Service, ServiceExt};

pub(crate) type Body = ResponseBody<GuardedBody<ScriptedBody, Permit>>;
pub(crate) type Answer = Result<Response<Body>, Refused>;

pub(crate) struct Stand {
    pub(crate) service: LoadShed<ScriptedService>,
    pub(crate) script: Script,
    pub(crate) gate: LoadShedHandle,
}

impl Stand {
    pub(crate) fn new(layer: LoadShedLayer) -> Self {
        let (layer, gate) = layer.pair();
        let (inner, script) = macadam_test::service();
        Self { service: layer.layer(inner), script, gate }
    }

    /// Sends a request, and lets it get as far as it can.
    pub(crate) async fn send(&self, request: Request<()>) -> JoinHandle<Answer> {
        let sent = tokio::spawn(self.service.clone().oneshot(request));
        turn().await;
        sent
    }

    /// A service that is ready, and has not been called.
    pub(crate) async fn readied(&self) -> LoadShed<ScriptedService> {
        let mut service = self.service.clone();
        poll_fn(|cx| Service::<Request<()>>::poll_ready(&mut service, cx)).await.expect("it is ready");
        service
    }

    pub(crate) async fn get(&self, path: &str) -> JoinHandle<Answer> {
        self.send(Request::get(path).body(()).expect("the path is valid")).await
    }

    /// In flight, queued.
    pub(crate) fn figures(&self) -> (u32, u32) {
        (self.gate.in_flight(), self.gate.queued())
    }
}

pub(crate) fn limit(limit: u32) -> LoadShedLayer {
    LoadShedLayer::new(limit).expect("the limit is valid")
}

/// A request whose deadline is this far away, with its context.
pub(crate) fn due_in(remaining: Duration) -> (Request<()>, RequestContext) {
    let mut request = Request::new(());
    let context = RequestContext::new(Instant::now(), None, Wire::of(&request));
    context.set_deadline(Some(Instant::now() + remaining));
    request.extensions_mut().insert(context.clone());
    (request, context)
}

/// Everybody who can go on does, and no time passes.
pub(crate) async fn turn() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// Time passes, and everybody who can go on does.
pub(crate) async fn pass(duration: Duration) {
    tokio::time::advance(duration).await;
    turn().await;
}

pub(crate) fn kind(response: &Response<Body>) -> &'static str {
    response.extensions().get::<Rejection>().map_or("none", |rejection| rejection.kind().as_str())
}

pub(crate) const TICK: Duration = Duration::from_millis(1);

/// How many were refused for this reason.
pub(crate) fn refused(gate: &LoadShedHandle, reason: &str) -> f64 {
    let mut refused = None;
    gate.read(&mut |reading| {
        if reading.name == "macadam_load_shed_refused_total" && reading.labels == [("reason", reason)] {
            refused = Some(reading.value);
        }
    });
    refused.expect("each reason has its count")
}
