//! A signal in the middle of it: nothing that was begun is cut, and the process always ends.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use http::Request;
use http_body_util::{BodyExt, Collected, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use macadam_test::wire::Client;
use rustix::process::Signal;
use tokio::{net::TcpStream, task::JoinSet, time::sleep};

use crate::process::Torture;

/// A lame duck, in which clients can leave between two requests. On a machine that is busy besides, some of the load
/// would be refused for the lag of the executor, which is no cut.
const UNDER_LOAD: [(&str, &str); 2] =
    [("MACADAM_SHUTDOWN_LAME_DUCK", "500ms"), ("MACADAM_LOAD_SHED_MODE", "off")];

/// Clients that each keep one HTTP/1.1 connection busy until the service tells them to leave.
async fn load_http1(torture: &Torture, served: &Arc<AtomicU64>, cut: &Arc<AtomicU64>) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for _ in 0..16 {
        let (to, served, cut) = (torture.public, Arc::clone(served), Arc::clone(cut));
        let mut client = Client::connect(to).await;
        clients.spawn(async move {
            loop {
                if client
                    .try_send("GET /stream?frames=4&every=10&bytes=100 HTTP/1.1\r\nhost: t\r\n\r\n")
                    .await
                    .is_err()
                {
                    cut.fetch_add(1, SeqCst);
                    break;
                }
                match client.try_response().await {
                    Ok(Some(reply)) if reply.status == 200 && reply.body.len() == 400 => {
                        served.fetch_add(1, SeqCst);
                        if reply.header("connection") == Some("close") {
                            break;
                        }
                    }
                    _ => {
                        cut.fetch_add(1, SeqCst);
                        break;
                    }
                }
            }
        });
    }
    clients
}

#[tokio::test]
async fn under_load_with_http1_a_signal_cuts_no_response() {
    let torture = Torture::start(&UNDER_LOAD).await;
    let (served, cut) = (Arc::default(), Arc::default());
    let clients = load_http1(&torture, &served, &cut).await;
    sleep(Duration::from_millis(300)).await;
    torture.signal(Signal::TERM);
    clients.join_all().await;
    let exit = torture.exit(Duration::from_secs(10)).await;
    println!("served {}, cut {}\n{}", served.load(SeqCst), cut.load(SeqCst), exit.stderr);
    assert_eq!(cut.load(SeqCst), 0);
    assert!(served.load(SeqCst) > 16);
    assert_eq!(exit.code, Some(0), "{}\n{}", exit.stdout, exit.stderr);
    assert!(exit.stderr.contains("shutdown"), "the report is printed: {}", exit.stderr);
}

#[tokio::test]
async fn under_load_with_h2c_a_signal_cuts_no_response() {
    let torture = Torture::start(&UNDER_LOAD).await;
    let (served, cut): (Arc<AtomicU64>, Arc<AtomicU64>) = Default::default();
    let leaving = Arc::new(AtomicBool::new(false));
    let mut clients = JoinSet::new();
    for _ in 0..4 {
        let io = TokioIo::new(TcpStream::connect(torture.public).await.unwrap());
        let (sender, connection) =
            hyper::client::conn::http2::handshake::<_, _, Empty<bytes::Bytes>>(TokioExecutor::new(), io)
                .await
                .unwrap();
        clients.spawn(async move {
            let _ = connection.await;
        });
        for _ in 0..8 {
            let (mut sender, served, cut, leaving) =
                (sender.clone(), Arc::clone(&served), Arc::clone(&cut), Arc::clone(&leaving));
            clients.spawn(async move {
                // A connection that was told to leave takes no more requests: that is where a client goes elsewhere.
                while sender.ready().await.is_ok() {
                    let request = Request::get("http://t/stream?frames=4&every=10&bytes=100")
                        .body(Empty::new())
                        .unwrap();
                    let response = match sender.send_request(request).await {
                        Ok(response) => response,
                        // Not sent: the client's own library gave it back when it saw the GOAWAY.
                        Err(_) if leaving.load(SeqCst) => return,
                        Err(error) => panic!("before the signal: {error}"),
                    };
                    let body = response.into_body().collect().await.map(Collected::to_bytes);
                    let whole = body.is_ok_and(|body| body.len() == 400);
                    if whole { &served } else { &cut }.fetch_add(1, SeqCst);
                }
            });
        }
    }
    sleep(Duration::from_millis(300)).await;
    leaving.store(true, SeqCst);
    torture.signal(Signal::TERM);
    clients.join_all().await;
    let exit = torture.exit(Duration::from_secs(10)).await;
    println!("served {}, cut {}", served.load(SeqCst), cut.load(SeqCst));
    assert_eq!(cut.load(SeqCst), 0);
    assert!(served.load(SeqCst) > 32);
    assert_eq!(exit.code, Some(0), "{}\n{}", exit.stdout, exit.stderr);
}

/// The kernel makes connections and takes requests for a process that stands still.
#[tokio::test]
async fn two_hundred_requests_that_came_while_the_process_was_stopped_are_answered_before_it_leaves() {
    let torture = Torture::start(&[("MACADAM_LOAD_SHED_MODE", "off")]).await;
    torture.signal(Signal::STOP);
    let mut clients = JoinSet::new();
    for _ in 0..200 {
        let mut client = Client::connect(torture.public).await;
        client.send("GET /io?ms=1 HTTP/1.1\r\nhost: t\r\n\r\n").await;
        clients.spawn(async move { client.response().await.status });
    }
    // It is handled as soon as the process goes on.
    torture.signal(Signal::TERM);
    torture.signal(Signal::CONT);
    assert_eq!(clients.join_all().await, [200; 200]);
    assert_eq!(torture.exit(Duration::from_secs(10)).await.code, Some(0));
}

#[tokio::test]
async fn a_second_signal_exits_at_once() {
    let torture = Torture::start(&[]).await;
    let mut client = Client::connect(torture.public).await;
    client.send("GET /stream?frames=100&every=100 HTTP/1.1\r\nhost: t\r\n\r\n").await;
    sleep(Duration::from_millis(200)).await;
    torture.signal(Signal::TERM);
    // Within 100 ms it would be the first one, delivered twice.
    sleep(Duration::from_millis(300)).await;
    torture.signal(Signal::TERM);
    let exit = torture.exit(Duration::from_secs(2)).await;
    assert_eq!(exit.code, Some(1), "{}", exit.stderr);
    assert!(exit.after < Duration::from_millis(500), "{:?}", exit.after);
}
