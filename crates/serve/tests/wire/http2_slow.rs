//! HTTP/2 clients that hold a connection, or what it was asked for, and do nothing.

use std::time::Duration;

use macadam_core::body::MinRate;
use macadam_serve::{CloseReason, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};

use crate::{
    http2::{ACK, GOAWAY, HEADERS, PING, Raw, SETTINGS},
    town::{FRAME, Town, millis, moment, soon, until},
};

const DATA: u8 = 0;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// 100,000 bytes a second, but for 300 ms.
fn strict(server: Server) -> Server {
    server.min_rate(MinRate::new(100_000, millis(300)))
}

/// Sends its head, that all of its streams' windows are closed, and nothing that would open them.
async fn without_a_window(town: &Town) -> Raw {
    let mut raw = Raw::connect(town).await;
    raw.send(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await;
    raw
}

/// Sends this again and again while the server has it.
async fn again(stream: &mut TcpStream, bytes: &[u8], every: Duration) -> Duration {
    let begun = Instant::now();
    let mut unread = [0; 1024];
    while begun.elapsed() < Duration::from_secs(9) {
        let _ = stream.try_read(&mut unread);
        if stream.write_all(bytes).await.is_err() {
            break;
        }
        sleep(every).await;
    }
    begun.elapsed()
}

#[tokio::test]
async fn a_preface_without_settings_is_closed_on_at_the_time_of_a_head() {
    let town = Town::with(|server| server.header(millis(300))).await;
    let mut stream = TcpStream::connect(town.address).await.unwrap();
    let begun = Instant::now();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    // Our own SETTINGS, and then the end.
    let mut ours = Vec::new();
    soon(stream.read_to_end(&mut ours)).await.unwrap();
    assert!((millis(300)..millis(1500)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    assert_eq!(ours[3], SETTINGS);
    town.closes(CloseReason::Header, 1).await;
}

#[tokio::test]
async fn a_connection_that_never_opens_a_stream_is_idle_from_the_start() {
    let town = Town::with(|server| server.header(millis(100)).keep_alive_idle(millis(400))).await;
    let begun = Instant::now();
    let mut raw = Raw::connect(&town).await;
    raw.frame_of(GOAWAY).await;
    assert!((millis(400)..millis(1500)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    while raw.frame().await.is_some() {}
    town.closes(CloseReason::KeepAliveIdle, 1).await;
}

#[tokio::test]
async fn a_crowd_that_never_opens_a_stream_is_gone() {
    let town = Town::with(|server| server.keep_alive_idle(millis(500))).await;
    let mut crowd = Vec::new();
    for _ in 0..500 {
        crowd.push(Raw::connect(&town).await);
    }
    until(|| town.handle.accepted() == 500).await;
    // A time of its own, and a second for those that do not acknowledge the GOAWAY.
    until(|| town.handle.connections() == 0).await;
    assert_eq!(town.handle.closes(CloseReason::KeepAliveIdle), 500);
}

#[tokio::test]
async fn half_a_block_of_headers_is_closed_on_at_the_time_of_a_head() {
    let town = Town::with(|server| server.header(millis(300))).await;
    let mut raw = Raw::connect(&town).await;
    moment().await;
    let begun = Instant::now();
    raw.send(HEADERS, END_STREAM, 1, &[0x82]).await;
    while raw.frame().await.is_some() {}
    assert!((millis(300)..millis(1500)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    town.closes(CloseReason::Header, 1).await;
    assert_eq!(town.calls(), 0);
}

#[tokio::test]
async fn a_block_that_drips_is_timed_from_its_first_frame() {
    let town = Town::with(|server| server.header(millis(300))).await;
    let mut raw = Raw::connect(&town).await;
    raw.send(HEADERS, END_STREAM, 1, &[0x82]).await;
    // Each an empty CONTINUATION, which is none too many for h2.
    let lasted = again(&mut raw.stream, &[0, 0, 0, CONTINUATION, 0, 0, 0, 0, 1], millis(150)).await;
    assert!((millis(300)..millis(2500)).contains(&lasted), "{lasted:?}");
    town.closes(CloseReason::Header, 1).await;
}

#[tokio::test]
async fn a_block_that_is_slow_within_its_time_is_served() {
    let town = Town::with(|server| server.header(millis(600))).await;
    let mut raw = Raw::connect(&town).await;
    for stream in [1, 3] {
        raw.send(HEADERS, END_STREAM, stream, &[0x82, 0x86, 0x84]).await;
        sleep(millis(400)).await;
        raw.send(CONTINUATION, 4, stream, b"\x01\x04test").await;
        assert_eq!(raw.frame_of(HEADERS).await.0, stream);
    }
}

#[tokio::test]
async fn a_peer_that_opens_no_window_is_dropped_with_all_of_its_streams() {
    let town = Town::with(strict).await;
    let mut raw = without_a_window(&town).await;
    let begun = Instant::now();
    for stream in 0..200 {
        raw.get(2 * stream + 1, "/frames").await;
    }
    until(|| town.handle.in_flight() == 200).await;
    // Whatever else it says, it reads nothing.
    let lasted =
        again(&mut raw.stream, &[0, 0, 8, PING, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8], millis(5)).await;
    assert!(lasted < Duration::from_secs(4) && begun.elapsed() > millis(400), "{lasted:?}");
    soon(town.app.dropped.acquire_many(200)).await.unwrap().forget();
    town.closes(CloseReason::SlowReader, 1).await;
    assert_eq!((town.handle.in_flight(), town.handle.connections()), (0, 0));
}

#[tokio::test]
async fn a_peer_that_opens_its_window_by_drips_is_dropped() {
    let town = Town::with(strict).await;
    let mut raw = without_a_window(&town).await;
    raw.get(1, "/frames").await;
    // A byte more for the stream, again and again.
    let lasted = again(&mut raw.stream, &[0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0, 0, 1], millis(20)).await;
    assert!(lasted < Duration::from_secs(4), "{lasted:?}");
    soon(town.app.dropped.acquire()).await.unwrap().forget();
    town.closes(CloseReason::SlowReader, 1).await;
}

#[tokio::test]
async fn a_peer_that_takes_enough_is_served_however_long_that_takes() {
    let town = Town::with(|server| server.min_rate(MinRate::new(10_000, millis(300)))).await;
    let mut raw = without_a_window(&town).await;
    raw.get(1, "/frames").await;
    let begun = Instant::now();
    let mut read = 0;
    while begun.elapsed() < Duration::from_secs(4) {
        sleep(millis(100)).await;
        let more = (4 * FRAME) as u32;
        raw.send(8, 0, 1, &more.to_be_bytes()).await;
        raw.send(8, 0, 0, &more.to_be_bytes()).await;
        while read < begun.elapsed().as_millis() as usize / 100 * 2 * FRAME {
            read += raw.frame_of(DATA).await.1.len();
        }
    }
    assert_eq!((town.handle.in_flight(), town.handle.closes(CloseReason::SlowReader)), (1, 0));
}

#[tokio::test]
async fn a_handler_that_makes_nothing_has_no_slow_peer() {
    let town = Town::with(|server| server.min_rate(MinRate::new(1 << 20, millis(50)))).await;
    let mut raw = Raw::connect(&town).await;
    raw.get(1, "/slow").await;
    raw.get(3, "/drip").await;
    let mut read = 0;
    while read < 3 * FRAME {
        let (stream, data) = raw.frame_of(DATA).await;
        assert_eq!(stream, 3);
        read += data.len();
    }
    town.release();
    assert_eq!(raw.frame_of(HEADERS).await.0, 1);
}

#[tokio::test]
async fn who_was_told_to_leave_and_does_not_read_is_dropped_though_it_acknowledged_that() {
    let town = Town::with(|server| strict(server).keep_alive_idle(millis(200))).await;
    let mut raw = without_a_window(&town).await;
    // The handler is done at once, and h2 has what it made.
    raw.get(1, "/window").await;
    let (_, ping) = raw.frame_of(PING).await;
    raw.send(PING, ACK, 0, &ping).await;
    while raw.frame().await.is_some() {}
    town.closes(CloseReason::SlowReader, 1).await;
}

#[tokio::test]
async fn an_old_connection_takes_no_more_streams_and_finishes_those_it_has() {
    let town = Town::with(|server| server.max_age(millis(300), Duration::from_secs(9))).await;
    let mut raw = Raw::connect(&town).await;
    raw.get(1, "/slow").await;
    let (_, ping) = raw.frame_of(PING).await;
    raw.send(PING, ACK, 0, &ping).await;
    town.release();
    assert_eq!(raw.frame_of(HEADERS).await.0, 1);
    while raw.frame().await.is_some() {}
    town.closes(CloseReason::MaxAge, 1).await;
}

#[tokio::test]
async fn a_stream_that_takes_longer_than_the_grace_of_an_old_connection_is_cut() {
    let town = Town::with(|server| server.max_age(millis(200), millis(300))).await;
    let mut raw = Raw::connect(&town).await;
    raw.get(1, "/slow").await;
    soon(town.app.dropped.acquire()).await.unwrap().forget();
    town.closes(CloseReason::MaxAge, 1).await;
    assert_eq!(town.handle.in_flight(), 0);
}
