//! TLS by the settings.

#![cfg(feature = "tls")]
#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use std::{net::SocketAddr, path::Path, time::Duration};

use axum::{Router, routing::get};
use macadam::{Error, Road, Settings};
use macadam_test::wire::Client;
use tokio::{
    net::{TcpListener, TcpStream},
    task::yield_now,
    time::timeout,
};

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../serve/tests/tls").join(name);
    path.to_str().unwrap().to_owned()
}

async fn settings(certificate: &str, key: &str) -> (SocketAddr, Settings) {
    // Taken and let go: what listens there next has said so itself.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut settings = Settings::from_toml(&format!(
        "listen = '{address}'\nadmin.listen = 'off'\ntelemetry.logs = 'off'\nshutdown.budget = '1h'\n\
         serve.tls_certificate = '{}'\nserve.tls_key = '{}'\nserve.tls_handshake = '300ms'",
        fixture(certificate),
        fixture(key),
    ))
    .unwrap();
    settings.shutdown.lame_duck = Duration::ZERO;
    (address, settings)
}

#[tokio::test]
async fn a_road_with_a_certificate_speaks_tls_and_nothing_else() {
    let (address, settings) = settings("one.pem", "one.key").await;
    let road = Road::builder("own").settings(settings).build().unwrap();
    let app = Router::new().route("/", get(async || "hello"));
    tokio::spawn(async move { road.serve(app).await });
    let listens = async {
        while TcpStream::connect(address).await.is_err() {
            yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), listens).await.unwrap();

    let mut plain = Client::connect(address).await;
    plain.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    let answer = timeout(Duration::from_secs(10), plain.closed()).await.unwrap().unwrap();
    // An alert, which is fatal: not a handshake.
    assert_eq!(answer[..5], [21, 3, 3, 0, 2], "{answer:?}");
    // The handshake's clock is that of the settings.
    let mut silent = Client::connect(address).await;
    assert!(timeout(Duration::from_secs(5), silent.closed()).await.unwrap().unwrap().is_empty());
}

#[tokio::test]
async fn a_pair_that_is_none_is_refused_when_the_road_is_built() {
    let (_, settings) = settings("one.pem", "two.key").await;
    let error = Road::builder("own").settings(settings).build().unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error}");
    assert!(error.to_string().contains("two.key"), "{error}");
}
