//! The drain of HTTP/1 on stock `axum::serve`, behind our listener.

#![cfg(feature = "axum")]
#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::Request,
    routing::{get, post},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use macadam_core::{Phase, PhaseOwner};
use macadam_serve::{CloseReason, DrainListener, Handle, Linked};
use macadam_test::wire::Client;
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

const BIG: usize = 8 << 20;

struct Stock {
    address: SocketAddr,
    phase: PhaseOwner,
    handle: Handle,
    served: JoinHandle<()>,
    entered: Arc<Semaphore>,
    gate: Arc<Semaphore>,
}

impl Stock {
    async fn open() -> Self {
        let (entered, gate) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (entering, passing) = (Arc::clone(&entered), Arc::clone(&gate));
        let slow = async move || {
            entering.add_permits(1);
            passing.acquire().await.unwrap().forget();
            "slow"
        };
        let background = async |request: Request| {
            tokio::spawn(async move { axum::body::to_bytes(request.into_body(), 100).await.unwrap() });
            "later"
        };
        let app = Router::new()
            .route("/", get(async || "ok"))
            .route("/big", get(async || vec![b'b'; BIG]))
            .route("/slow", get(slow))
            .route("/background", post(background))
            .route("/upload", post(async |body: Bytes| body.len().to_string()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let phase = PhaseOwner::new();
        let (listener, handle) = DrainListener::new(listener, phase.watch()).unwrap().pair();
        let drained = listener.drained();
        let serve = axum::serve(listener, Linked::new(app)).with_graceful_shutdown(drained);
        let served = tokio::spawn(async { serve.await.unwrap() });
        Self { address, phase, handle, served, entered, gate }
    }

    async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    fn to(&self, phase: Phase) {
        assert!(self.phase.advance(phase, None));
    }

    /// Waits for the end of the listener.
    async fn refuses(&self) {
        while tokio::net::TcpStream::connect(self.address).await.is_ok() {
            sleep(Duration::from_millis(1)).await;
        }
    }

    async fn served(self) {
        soon(self.served).await.unwrap();
        assert_eq!((self.handle.connections(), self.handle.in_flight()), (0, 0));
    }
}

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(10), future).await.expect("it comes soon")
}

async fn moment() {
    sleep(Duration::from_millis(60)).await;
}

#[tokio::test]
async fn idle_connections_end_at_once_and_whole_and_half_requests_are_answered() {
    let stock = Stock::open().await;
    let mut idle = stock.client().await;
    let mut half = stock.client().await;
    let mut first = stock.client().await;
    let mut piped = stock.client().await;
    for client in [&mut idle, &mut half] {
        assert_eq!(soon(client.get("/")).await.text(), "ok");
    }
    half.send("GET / HTTP/1.1\r\nho").await;
    first.send("GET / HT").await;
    piped.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\nGET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    soon(stock.entered.acquire()).await.unwrap().forget();
    moment().await;
    stock.to(Phase::Draining);
    let begun = Instant::now();
    assert!(soon(idle.closed()).await.unwrap().is_empty());
    assert!(begun.elapsed() < Duration::from_secs(1));
    moment().await;
    half.send("st: test\r\n\r\n").await;
    first.send("TP/1.1\r\nhost: test\r\n\r\n").await;
    for client in [&mut half, &mut first] {
        let reply = soon(client.response()).await;
        assert_eq!((reply.text(), reply.header("connection")), ("ok", Some("close")));
    }
    stock.gate.add_permits(1);
    assert_eq!(soon(piped.response()).await.header("connection"), None);
    assert_eq!(soon(piped.response()).await.header("connection"), Some("close"));
    drop((idle, half, first, piped));
    assert_eq!(stock.handle.closes(CloseReason::Failed), 0);
    stock.served().await;
}

#[tokio::test]
async fn in_the_lame_duck_answers_say_close_and_idle_connections_are_left_alone() {
    let stock = Stock::open().await;
    let mut idle = stock.client().await;
    assert_eq!(soon(idle.get("/")).await.header("connection"), None);
    stock.to(Phase::LameDuck);
    moment().await;
    for mut client in [idle, stock.client().await] {
        assert_eq!(soon(client.get("/")).await.header("connection"), Some("close"));
        assert!(soon(client.closed()).await.unwrap().is_empty());
    }
    stock.to(Phase::Draining);
    stock.served().await;
}

#[tokio::test]
async fn a_big_answer_to_a_slow_reader_is_whole_and_what_the_kernel_has_accepted_is_served() {
    let stock = Stock::open().await;
    let mut slow = stock.client().await;
    slow.send("GET /big HTTP/1.1\r\nhost: test\r\n\r\n").await;
    moment().await;
    // Nobody accepts it before the drain begins.
    let waiting = std::net::TcpStream::connect(stock.address).unwrap();
    stock.to(Phase::Draining);
    waiting.set_nonblocking(true).unwrap();
    let mut waiting = Client::from(tokio::net::TcpStream::from_std(waiting).unwrap());
    assert_eq!(soon(waiting.get("/")).await.text(), "ok");
    assert_eq!(soon(slow.response()).await.body.len(), BIG);
    assert!(soon(slow.closed()).await.unwrap().is_empty());
    soon(stock.refuses()).await;
    drop((slow, waiting));
    stock.served().await;
}

/// Those in the middle of the handshake when the drain began.
#[tokio::test]
async fn who_comes_within_the_moment_after_the_drain_has_begun_is_served() {
    let stock = Stock::open().await;
    stock.to(Phase::Draining);
    // The listener takes its first look; its second is 20 ms away.
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    let late = std::net::TcpStream::connect(stock.address).unwrap();
    late.set_nonblocking(true).unwrap();
    let mut late = Client::from(tokio::net::TcpStream::from_std(late).unwrap());
    let reply = soon(late.get("/")).await;
    assert_eq!((reply.text(), reply.header("connection")), ("ok", Some("close")));
    soon(stock.refuses()).await;
    drop(late);
    stock.served().await;
}

#[tokio::test]
async fn fresh_connections_have_a_second_and_a_request_that_crosses_a_close_is_counted() {
    let stock = Stock::open().await;
    let mut silent = stock.client().await;
    let mut late = stock.client().await;
    let mut crossing = stock.client().await;
    assert_eq!(soon(crossing.get("/")).await.text(), "ok");
    moment().await;
    stock.to(Phase::Draining);
    let begun = Instant::now();
    assert!(soon(crossing.closed()).await.unwrap().is_empty());
    crossing.send("GET / HTTP/1.1\r\nhost: test\r\n\r\n").await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(soon(late.get("/")).await.text(), "ok");
    assert!(soon(silent.closed()).await.unwrap().is_empty());
    let waited = begun.elapsed();
    assert!((Duration::from_millis(900)..Duration::from_millis(2000)).contains(&waited), "{waited:?}");
    assert_eq!(stock.handle.discarded_requests(), 1);
    drop((silent, late, crossing));
    stock.served().await;
}

#[tokio::test]
async fn a_body_that_is_read_after_its_answer_is_not_cut() {
    let stock = Stock::open().await;
    let mut client = stock.client().await;
    client.send("POST /background HTTP/1.1\r\nhost: test\r\ncontent-length: 6\r\n\r\nabc").await;
    assert_eq!(soon(client.response()).await.text(), "later");
    stock.to(Phase::Draining);
    moment().await;
    // A cut body would be a panic there.
    client.send("def").await;
    assert!(soon(client.closed()).await.unwrap().is_empty());
    drop(client);
    stock.served().await;
}

#[tokio::test]
async fn http2_is_left_to_axum_which_says_goaway_when_no_http1_connection_is_left() {
    let stock = Stock::open().await;
    let mut http1 = stock.client().await;
    http1.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
    soon(stock.entered.acquire()).await.unwrap().forget();
    let tcp = tokio::net::TcpStream::connect(stock.address).await.unwrap();
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
    let connection = tokio::spawn(connection);
    let mut get = |path: &str| {
        let uri = format!("http://test{path}");
        requests.send_request(http::Request::get(uri).body(http_body_util::Empty::<Bytes>::new()).unwrap())
    };
    assert_eq!(soon(get("/")).await.unwrap().status(), 200);
    stock.to(Phase::Draining);
    moment().await;
    // Not told yet, and served.
    assert_eq!(soon(get("/")).await.unwrap().status(), 200);
    let slow = tokio::spawn(get("/slow"));
    soon(stock.entered.acquire()).await.unwrap().forget();
    stock.gate.add_permits(2);
    assert_eq!(soon(http1.response()).await.header("connection"), Some("close"));
    drop(http1);
    assert_eq!(soon(slow).await.unwrap().unwrap().status(), 200);
    soon(connection).await.unwrap().unwrap();
    stock.served().await;
}

#[tokio::test]
async fn closing_cuts_what_is_left_and_axum_returns() {
    let stock = Stock::open().await;
    let mut running = stock.client().await;
    running.send("GET /slow HTTP/1.1\r\nhost: test\r\n\r\n").await;
    soon(stock.entered.acquire()).await.unwrap().forget();
    stock.to(Phase::Draining);
    moment().await;
    assert!(!stock.served.is_finished());
    stock.to(Phase::Closing);
    assert!(!matches!(soon(running.try_response()).await, Ok(Some(_))));
    drop(running);
    stock.served().await;
}
