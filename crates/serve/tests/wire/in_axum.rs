//! A router of axum's, served.

use std::future::IntoFuture;

use axum::{
    Router,
    body::Bytes,
    extract::Request,
    routing::{get, post},
};
use macadam_core::RequestContext;
use macadam_serve::{Listen, Server};
use macadam_test::wire::Client;
use tokio::{net::TcpListener, time::timeout};

use crate::town::{millis, soon};

async fn client_of(app: Router) -> Client {
    let listener = Listen::new("127.0.0.1:0".parse().unwrap()).bind().unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::new(listener).request_body_idle(millis(150)).serve(app));
    Client::connect(address).await
}

#[tokio::test]
async fn a_router_is_served_and_its_handlers_find_the_context() {
    let peer =
        get(async |request: Request| RequestContext::get(&request).unwrap().peer().unwrap().to_string());
    let mut client = client_of(Router::new().route("/peer", peer)).await;
    let address = client.local_addr().to_string();
    assert_eq!(soon(client.get("/peer")).await.text(), address);
    assert_eq!(soon(client.get("/nowhere")).await.status, 404);
}

#[tokio::test]
async fn an_extractor_that_makes_400_of_a_stalled_body_is_overruled() {
    let mut client = client_of(Router::new().route("/", post(async |body: Bytes| body))).await;
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc").await;
    assert_eq!(soon(client.response()).await.text(), "abc");
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nab").await;
    assert_eq!(soon(client.response()).await.status, 408);
}

/// The negative control: what the clocks and limits here are for.
#[tokio::test]
async fn axums_own_serve_holds_whoever_says_nothing_or_half() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(axum::serve(listener, Router::new()).into_future());
    let mut silent = Client::connect(address).await;
    let mut half = Client::connect(address).await;
    half.send("GET / HT").await;
    // Thrice the times that the tests here give, and in truth for ever.
    for client in [&mut silent, &mut half] {
        assert!(timeout(millis(450), client.closed()).await.is_err());
    }
    serving.abort();
}
