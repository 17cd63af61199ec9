//! A process that has run out of descriptors goes on serving those that it has, and accepts again when it can.
//! In a process of its own, since the limit is the process'.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{convert::Infallible, time::Duration};

use http::{Request, Response};
use macadam_serve::{Body, Listen, Server, raise_descriptor_limit};
use macadam_test::wire::Client;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::time::{sleep, timeout};
use tower::service_fn;

fn limit_to(descriptors: u64) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(descriptors), maximum }).unwrap();
}

#[tokio::test]
async fn without_descriptors_it_serves_whom_it_has_and_accepts_again_when_it_can() {
    let listener = Listen::new("127.0.0.1:0".parse().unwrap()).bind().unwrap();
    let address = listener.local_addr().unwrap();
    let (server, handle) = Server::new(listener).pair();
    let service = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new("ok".to_owned())));
    tokio::spawn(server.serve(service));
    let mut first = Client::connect(address).await;
    assert_eq!(first.get("/").await.text(), "ok");

    // Client and server share the process, so the newcomer's own socket is made first.
    let newcomer = tokio::net::TcpSocket::new_v4().unwrap();
    limit_to(3);
    let mut newcomer = newcomer.connect(address).await.unwrap();
    let errors = async {
        while handle.accept_errors() < 2 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(5), errors).await.unwrap();
    assert_eq!(first.get("/").await.text(), "ok");
    assert_eq!(handle.connections(), 1);
    // Paused for 50 ms and 100 ms, not as fast as it can.
    assert!(handle.accept_errors() < 5);

    assert_eq!(Some(raise_descriptor_limit()), getrlimit(Resource::Nofile).maximum);
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    newcomer.write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(5), newcomer.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
