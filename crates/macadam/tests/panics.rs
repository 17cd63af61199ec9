//! A handler that panics: in its call, in its future, in the body of its response.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use std::{
    convert::Infallible,
    future::{Ready, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use axum::{Router, body::Body, response::Response as AxumResponse, routing::get};
use http::{Request, Response};
use http_body_util::BodyExt;
use macadam::{Outcome, RequestContext, Road, RoadBody, RoadService, Settings};
use macadam_test::{ScriptedBody, Step, events};
use tower::{ServiceExt, service_fn};

/// Counted down when a handler's state is freed.
struct Held(Arc<AtomicUsize>);

impl Held {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

fn service(held: &Arc<AtomicUsize>) -> RoadService {
    let road = Road::builder("panics").settings(Settings::default()).build().unwrap();
    let in_future = Arc::clone(held);
    let app = Router::new()
        .route(
            "/future",
            get(async move || -> () {
                let _held = Held::new(&in_future);
                tokio::task::yield_now().await;
                panic!("in the future")
            }),
        )
        .route_service(
            "/call",
            service_fn(|_| -> Ready<Result<AxumResponse, Infallible>> {
                if true {
                    panic!("in the call")
                }
                ready(Ok(AxumResponse::default()))
            }),
        )
        .route("/body", get(async || Body::new(ScriptedBody::new([Step::data("so far"), Step::panic()]))));
    road.wrap(app)
}

async fn send(service: &RoadService, path: &str) -> (Response<RoadBody>, RequestContext) {
    let mut request = Request::get(path).body(Body::empty()).unwrap();
    let context = RequestContext::of(&mut request);
    (service.clone().oneshot(request).await.unwrap(), context)
}

#[tokio::test]
async fn in_its_call_or_its_future_it_answers_500_and_frees_what_it_held() {
    let held = Arc::default();
    let service = service(&held);
    for path in ["/call", "/future"] {
        let captured = events::capture();
        let (response, context) = send(&service, path).await;
        assert_eq!(response.status(), 500, "{path}");
        assert_eq!(context.outcome(), Outcome::Panicked, "{path}");
        assert_eq!(held.load(SeqCst), 0, "{path}");
        let error =
            captured.events().into_iter().find(|event| event.message == "the handler panicked").unwrap();
        assert_eq!(error.fields["request_id"], response.headers()["x-request-id"].to_str().unwrap());
        assert_eq!(error.fields["http.route"], path);
    }
}

#[tokio::test]
async fn in_its_body_it_ends_the_response_with_an_error() {
    let service = service(&Arc::default());
    let (response, context) = send(&service, "/body").await;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "so far");
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none(), "fused");
    assert_eq!(context.outcome(), Outcome::Panicked);
}
