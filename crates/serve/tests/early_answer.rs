//! An answer that is given before the request has come whole. In a process of its own: it wants the cores.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    convert::Infallible,
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use http::{Request, Response, StatusCode};
use macadam_serve::{Body, Server};
use tower::service_fn;

const TRIES: usize = 2000;
const CLIENTS: usize = 8;
/// More than the system takes ahead of a server that does not read.
const BODY: usize = 1 << 20;
/// Bytes of an answer: more than its reader has room for at once, or a reset would find it whole there.
const ANSWER: usize = 200_000;
/// What it ends with.
const LAST: &[u8] = b"and that was all";

/// How a client goes about its upload.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// It sends all of it, or until it cannot, and only then looks for an answer.
    Deaf,
    /// It looks for one after each piece.
    Listening,
}

/// What a client has read when its connection ends, in whatever way.
fn upload(server: SocketAddr, manner: Manner) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answer = Vec::new();
    let head = format!("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: {BODY}\r\n\r\n");
    let _ = stream.write_all(head.as_bytes());
    for _ in 0..BODY / PIECE.len() {
        if stream.write_all(&PIECE).is_err() {
            break;
        }
        if matches!(manner, Manner::Listening) && has_something(&stream) {
            break;
        }
    }
    let _ = stream.read_to_end(&mut answer);
    answer
}

static PIECE: [u8; 16 * 1024] = [b'x'; 16 * 1024];

fn answer() -> String {
    format!("{}{}", "a".repeat(ANSWER - LAST.len()), String::from_utf8_lossy(LAST))
}

fn has_something(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    let something = stream.peek(&mut [0]).is_ok_and(|read| read > 0);
    stream.set_nonblocking(false).unwrap();
    something
}

/// How many of so many uploads do not get the whole answer.
fn truncated(server: SocketAddr, tries: usize) -> usize {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            thread::spawn(move || {
                let manner = if client % 2 == 0 { Manner::Deaf } else { Manner::Listening };
                (0..tries / CLIENTS).filter(|_| !upload(server, manner).ends_with(LAST)).count()
            })
        })
        .collect();
    clients.into_iter().map(|client| client.join().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_early_answer_is_truncated_in_2000_uploads() {
    for status in [StatusCode::PAYLOAD_TOO_LARGE, StatusCode::REQUEST_TIMEOUT, StatusCode::OK] {
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = server.local_addr().unwrap();
        let service = service_fn(move |_: Request<Body>| {
            let mut response = Response::new(answer());
            *response.status_mut() = status;
            std::future::ready(Ok::<_, Infallible>(response))
        });
        let serving = tokio::spawn(server.serve(service));
        let truncated = tokio::task::spawn_blocking(move || truncated(address, TRIES / 3)).await.unwrap();
        serving.abort();
        assert_eq!(truncated, 0, "of {} with {status}", TRIES / 3);
    }
}

/// Without a lingering close, and with one that only says that it has nothing more to say.
#[test]
fn servers_that_do_not_linger_truncate_and_this_test_sees_it() {
    let closes = serve_naively(|_| Ok(()));
    let half_closes = serve_naively(|stream| stream.shutdown(Shutdown::Write));
    let lost = [truncated(closes, 200), truncated(half_closes, 200)];
    println!("truncated of 200: {lost:?} (close, half-close and close)");
    assert!(lost.iter().all(|lost| *lost > 0), "{lost:?}");
}

/// Answers each connection's first bytes, and closes.
fn serve_naively(last: fn(&TcpStream) -> io::Result<()>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]);
            let head = "HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\n";
            let _ = write!(stream, "{head}content-length: {ANSWER}\r\n\r\n{}", answer());
            let _ = last(&stream);
        }
    });
    address
}
