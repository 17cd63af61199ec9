//! Ten thousand idle connections in a drain; two thousand without optimisation. In a process of its own: it wants the cores, and the descriptors.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{convert::Infallible, net::SocketAddr, sync::mpsc, thread, time::Duration};

use http::{Request, Response};
use macadam_core::{Phase, PhaseOwner};
use macadam_serve::{Body, Served, Server, raise_descriptor_limit};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime,
    task::JoinSet,
    time::{Instant, sleep},
};
use tower::service_fn;

const CONNECTIONS: u64 = if cfg!(debug_assertions) { 2_000 } else { 10_000 };
const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";

/// Opens connections that ask once, says so, and closes each when the server does.
fn crowd(server: SocketAddr, connections: usize, all_idle: &mpsc::SyncSender<()>) {
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut crowd = JoinSet::new();
        for _ in 0..connections {
            let mut client = TcpStream::connect(server).await.unwrap();
            client.write_all(GET).await.unwrap();
            assert!(client.read(&mut [0; 512]).await.unwrap() > 0);
            crowd.spawn(async move { client.read(&mut [0; 16]).await });
        }
        all_idle.send(()).unwrap();
        // An end of file each, and no reset.
        assert!(crowd.join_all().await.into_iter().all(|read| matches!(read, Ok(0))));
    });
}

/// The longest time for which a task waited that was to run each millisecond.
async fn longest_lag() -> Duration {
    let mut longest = Duration::ZERO;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let slept = Instant::now();
        sleep(Duration::from_millis(1)).await;
        longest = longest.max(slept.elapsed());
    }
    longest
}

#[test]
fn thousands_of_idle_connections_are_drained_in_two_seconds() {
    // Their two ends are in this process. Where it may not have so many, it tries with what it may have.
    let connections = usize::try_from((raise_descriptor_limit() / 2 - 100).min(CONNECTIONS)).unwrap();
    let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let phase = PhaseOwner::new();
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap().max_connections(connections + 1);
        let address = server.local_addr().unwrap();
        let service =
            service_fn(async |_: Request<Body>| Ok::<_, Infallible>(Response::new("ok".to_owned())));
        let served = tokio::spawn(server.phase(phase.watch()).serve(service));
        let (all_idle, are_idle) = mpsc::sync_channel(1);
        let clients = thread::spawn(move || crowd(address, connections, &all_idle));
        tokio::task::spawn_blocking(move || are_idle.recv().unwrap()).await.unwrap();

        let usual = longest_lag().await;
        let lag = tokio::spawn(longest_lag());
        // It is under way when the drain begins.
        sleep(Duration::from_millis(20)).await;
        let begun = Instant::now();
        phase.advance(Phase::Draining, None);
        assert_eq!(served.await.unwrap(), Served::default());
        let took = begun.elapsed();
        let lag = lag.await.unwrap();
        clients.join().unwrap();
        println!("{connections} drained in {took:?}; longest lag {lag:?}, {usual:?} before");
        assert!(took < Duration::from_secs(2), "{took:?}");
    });
}
