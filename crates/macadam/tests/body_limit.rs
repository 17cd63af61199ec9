//! The limit on a request's body: where it stands, how a route moves it, and what the client is told.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use axum::{
    Router,
    body::{Body, Bytes},
    extract::Request as AxumRequest,
    routing::post,
};
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use macadam::{BodyLimit, Kind, Rejection, Road, RoadBody, RoadService, Settings};
use tower::ServiceExt;

const MIB: usize = 1 << 20;

fn service(limit: u64) -> RoadService {
    let mut settings = Settings::default();
    settings.body_limit = macadam::settings::Bytes(limit);
    let road = Road::builder("limit").settings(settings).build().unwrap();
    let length = async |body: Bytes| body.len().to_string();
    let app = Router::new()
        .route("/", post(length))
        .route("/more", post(length).layer(BodyLimit::bytes(4 * MIB as u64)))
        .route("/less", post(length).layer(BodyLimit::bytes(4)))
        .route("/any", post(length).layer(BodyLimit::disabled()))
        .route(
            "/trailers",
            post(async |request: AxumRequest| {
                let body = request.into_body().collect().await.unwrap();
                body.trailers().unwrap()["x-checksum"].to_str().unwrap().to_owned()
            }),
        )
        .route("/ignored", post(async |_: AxumRequest| "fine"))
        .route(
            "/own",
            post(async |request: AxumRequest| match request.into_body().collect().await {
                Ok(_) => "all of it",
                Err(_) => "as much as I wanted",
            }),
        );
    road.wrap(app)
}

async fn upload(service: &RoadService, path: &str, body: Body) -> Response<RoadBody> {
    service.clone().oneshot(Request::post(path).body(body).unwrap()).await.unwrap()
}

async fn text(response: Response<RoadBody>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().into()).unwrap()
}

fn known(length: usize) -> Body {
    Body::from(vec![b'x'; length])
}

/// A body whose length nobody is told, in frames of one byte.
fn chunked(length: usize) -> Body {
    let frames =
        (0..length).map(|_| Ok::<_, std::io::Error>(http_body::Frame::data(Bytes::from_static(b"x"))));
    Body::new(StreamBody::new(futures_util::stream::iter(frames)))
}

#[tokio::test]
async fn one_byte_over_the_limit_is_413_and_one_under_is_not() {
    let service = service(10);
    for body in [known as fn(usize) -> Body, chunked] {
        assert_eq!(text(upload(&service, "/", body(10)).await).await, "10");
        let refused = upload(&service, "/", body(11)).await;
        assert_eq!(refused.status(), 413);
        assert_eq!(refused.extensions().get::<Rejection>().unwrap().kind(), Kind::ContentTooLarge);
        assert_eq!(refused.headers()["connection"], "close");
        assert!(text(refused).await.contains("content-too-large"));
    }
}

#[tokio::test]
async fn a_route_raises_lowers_and_lifts_it_also_above_what_axum_reads() {
    let service = service(10);
    assert_eq!(text(upload(&service, "/more", known(4 * MIB)).await).await, (4 * MIB).to_string());
    assert_eq!(upload(&service, "/more", known(4 * MIB + 1)).await.status(), 413);
    assert_eq!(upload(&service, "/less", known(4)).await.status(), 200);
    assert_eq!(upload(&service, "/less", known(5)).await.status(), 413);
    assert_eq!(text(upload(&service, "/any", known(5 * MIB)).await).await, (5 * MIB).to_string());
}

#[tokio::test]
async fn a_setting_above_axums_own_limit_holds() {
    let service = service(3 * MIB as u64);
    assert_eq!(text(upload(&service, "/", known(3 * MIB)).await).await, (3 * MIB).to_string());
    assert_eq!(upload(&service, "/", known(3 * MIB + 1)).await.status(), 413);
}

#[tokio::test]
async fn a_handler_that_reads_nothing_or_copes_answers_for_itself() {
    let service = service(10);
    assert_eq!(text(upload(&service, "/ignored", known(100)).await).await, "fine");
    assert_eq!(text(upload(&service, "/own", known(100)).await).await, "as much as I wanted");
}

#[tokio::test]
async fn no_body_is_within_every_limit_and_trailers_alone_still_arrive() {
    let service = service(0);
    assert_eq!(text(upload(&service, "/", Body::empty()).await).await, "0");

    let trailers = http_body::Frame::trailers(
        [("x-checksum".parse().unwrap(), "1".parse().unwrap())].into_iter().collect(),
    );
    let body = StreamBody::new(futures_util::stream::iter([Ok::<_, std::io::Error>(trailers)]));
    assert_eq!(text(upload(&service, "/trailers", Body::new(body)).await).await, "1");
}

#[tokio::test(start_paused = true)]
async fn the_layer_of_a_route_keeps_the_contract_of_a_layer() {
    macadam_test::contract::check(BodyLimit::bytes(1 << 20)).await;
}
