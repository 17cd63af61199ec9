//! A client that does not read what it asked for.

use std::{
    io::{Read, Write},
    sync::atomic::Ordering::SeqCst,
    time::Duration,
};

use macadam_core::body::MinRate;
use macadam_serve::{CloseReason, Server};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep},
};

use crate::town::{BIG, FRAME, Town, millis, soon};

const FRAMES: &str = "GET /frames HTTP/1.1\r\nhost: test\r\n\r\n";

/// 10,000 bytes a second, but for 200 ms: a lump of 16 KiB may take 1.6 s.
fn strict(server: Server) -> Server {
    server.min_rate(MinRate::new(10_000, millis(200)))
}

/// A client whose system takes little ahead of it, in small segments.
async fn narrow(town: &Town) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    SockRef::from(&socket).set_tcp_mss(536).unwrap();
    socket.connect(town.address).await.unwrap()
}

/// Reads so many bytes each 100 ms, for so long or until the end.
async fn sip(stream: &mut TcpStream, bytes: usize, longest: Duration) -> Duration {
    let begun = Instant::now();
    let mut sip = vec![0; bytes];
    while begun.elapsed() < longest {
        match stream.read_exact(&mut sip).await {
            Ok(_) => sleep(millis(100)).await,
            Err(_) => break,
        }
    }
    begun.elapsed()
}

#[tokio::test]
async fn who_reads_nothing_of_50_mb_is_reset_and_its_handler_dropped() {
    let town = Town::with(strict).await;
    let mut client = town.client().await;
    let begun = Instant::now();
    client.send(FRAMES).await;
    soon(town.app.dropped.acquire()).await.unwrap().forget();
    assert!((millis(1750)..millis(5000)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    town.closes(CloseReason::SlowReader, 1).await;
    assert_eq!((town.handle.connections(), town.handle.in_flight()), (0, 0));
    let produced = town.app.frames.load(SeqCst) * FRAME;
    assert!(produced < 4 << 20, "{produced} bytes were made for nobody");
    assert!(soon(client.closed()).await.is_err(), "a reset");
}

#[tokio::test]
async fn who_reads_below_the_least_rate_is_reset() {
    let town = Town::with(strict).await;
    let mut client = narrow(&town).await;
    client.write_all(FRAMES.as_bytes()).await.unwrap();
    let sipping = tokio::spawn(async move { sip(&mut client, 100, Duration::from_secs(20)).await });
    town.closes(CloseReason::SlowReader, 1).await;
    soon(town.app.dropped.acquire()).await.unwrap().forget();
    sipping.abort();
}

#[tokio::test]
async fn who_reads_slowly_but_above_the_least_rate_is_served() {
    let town = Town::with(strict).await;
    let mut client = narrow(&town).await;
    client.write_all(FRAMES.as_bytes()).await.unwrap();
    let lasted = sip(&mut client, 1500, Duration::from_secs(6)).await;
    assert!(lasted >= Duration::from_secs(6), "{lasted:?}");
    assert_eq!(town.handle.closes(CloseReason::SlowReader), 0);
}

#[tokio::test]
async fn who_pauses_and_then_reads_on_gets_all_of_it() {
    let town = Town::with(strict).await;
    let mut client = town.client().await;
    client.send("GET /big HTTP/1.1\r\nhost: test\r\n\r\n").await;
    sleep(millis(600)).await;
    assert_eq!(soon(client.response()).await.body.len(), BIG);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "it is about threads that stand still")]
async fn a_process_that_stood_still_takes_nobody_for_a_slow_reader() {
    let town = Town::with(strict).await;
    let address = town.address;
    let reading = std::thread::spawn(move || {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let close = FRAMES.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
        stream.write_all(close.as_bytes()).unwrap();
        // In time, if somebody were there to see it.
        std::thread::sleep(millis(1500));
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).map(|_| answer.len())
    });
    sleep(millis(1000)).await;
    std::thread::sleep(millis(3000));
    let read = soon(tokio::task::spawn_blocking(|| reading.join().unwrap())).await.unwrap();
    assert!(read.is_ok_and(|read| read > 50_000_000));
    assert_eq!(town.handle.closes(CloseReason::SlowReader), 0);
}

#[tokio::test]
async fn a_handler_that_makes_nothing_has_no_slow_reader() {
    let town = Town::with(|server| server.min_rate(MinRate::new(1 << 20, millis(1)))).await;
    let mut client = town.client().await;
    assert_eq!(client.get("/drip").await.body.len(), 3 * FRAME);
    assert_eq!(client.get("/").await.text(), "ok");
}

#[tokio::test]
async fn an_upgraded_connection_may_be_read_as_slowly_as_it_likes() {
    let town = Town::with(|server| server.min_rate(MinRate::new(1 << 20, millis(100)))).await;
    let mut tunnel = town.client().await;
    tunnel.send("GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    assert_eq!(soon(tunnel.response()).await.status, 101);
    let mut tunnel = tunnel.into_stream();
    let (mut read, mut write) = tunnel.split();
    let sent = 16 << 20;
    let sending = async {
        write.write_all(&vec![b'e'; sent]).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let reading = async {
        sleep(millis(800)).await;
        let mut echo = Vec::new();
        read.read_to_end(&mut echo).await.unwrap();
        echo.len()
    };
    assert_eq!(soon(async { tokio::join!(sending, reading) }).await.1, sent);
}
