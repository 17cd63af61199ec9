//! What a request costs in allocations beside the same request on hyper alone.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{convert::Infallible, net::SocketAddr};

use http::{Request, Response};
use macadam_core::RequestContext;
use macadam_serve::{Body, Server};
use macadam_test::allocations;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};
use tower::service_fn;

const REQUESTS: u64 = 200;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Allocations of [`REQUESTS`] on one connection, after a few that fill what is filled once.
fn counted(runtime: &Runtime, address: SocketAddr, request: &[u8]) -> u64 {
    let mut client = runtime.block_on(TcpStream::connect(address)).unwrap();
    let mut exchange = |times: u64| {
        runtime.block_on(async {
            let mut answer = [0; 1024];
            for _ in 0..times {
                client.write_all(request).await.unwrap();
                let read = client.read(&mut answer).await.unwrap();
                assert!(answer[..read].ends_with(b"hello"));
            }
        });
    };
    exchange(20);
    // What time brings, such as a timer in another wheel, is no request's: in one round out of three it does not come.
    (0..3).map(|_| allocations(|| exchange(REQUESTS))).min().unwrap()
}

fn on_hyper(request: &[u8]) -> u64 {
    let runtime = runtime();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(async move {
        let service = hyper::service::service_fn(async |mut request: Request<hyper::body::Incoming>| {
            // The context's own part: it is what every layer of the road shares.
            RequestContext::of(&mut request);
            Ok::<_, Infallible>(Response::new("hello".to_owned()))
        });
        let io = hyper_util::rt::TokioIo::new(listener.accept().await.unwrap().0);
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.header_read_timeout(None).serve_connection(io, service).await.unwrap();
    });
    counted(&runtime, address, request)
}

fn on_serve(request: &[u8]) -> u64 {
    let runtime = runtime();
    let server = runtime.block_on(async { Server::bind("127.0.0.1:0".parse().unwrap()) }).unwrap();
    let address = server.local_addr().unwrap();
    let service = service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new("hello".to_owned())));
    runtime.spawn(server.serve(service));
    counted(&runtime, address, request)
}

#[test]
fn a_request_allocates_no_more_than_on_hyper_with_a_context() {
    for request in [
        &b"GET / HTTP/1.1\r\nhost: test\r\n\r\n"[..],
        b"POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 3\r\n\r\nabc",
    ] {
        let (hyper, serve) = (on_hyper(request), on_serve(request));
        assert!(hyper >= 2 * REQUESTS, "the context alone makes two: {hyper}");
        assert!(serve <= hyper, "{serve} against {hyper} in {REQUESTS} requests");
    }
}
