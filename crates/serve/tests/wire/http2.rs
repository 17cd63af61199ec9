//! HTTP/2 without TLS: how its connections are told to leave.

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, client::conn::http2::SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use macadam_core::Phase;
use macadam_serve::{CloseReason, Served};
use macadam_test::{BodyHandle, ScriptedBody, Step};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
    time::{Instant, sleep},
};

use crate::town::{BIG, Town, millis, moment, soon, until};

/// hyper's client, which keeps to the protocol.
struct Client {
    requests: SendRequest<Empty<Bytes>>,
    connection: JoinHandle<hyper::Result<()>>,
}

impl Client {
    async fn connect(town: &Town) -> Self {
        let stream = TcpStream::connect(town.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (requests, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        Self { requests, connection: tokio::spawn(connection) }
    }

    fn send(&mut self, path: &str) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        let uri = format!("http://test{path}");
        self.requests.send_request(Request::get(uri).body(Empty::new()).unwrap())
    }

    async fn get(&mut self, path: &str) -> usize {
        let response = soon(self.send(path)).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key("connection"));
        soon(response.into_body().collect()).await.unwrap().to_bytes().len()
    }

    async fn closed(self) {
        soon(self.connection).await.unwrap().unwrap();
    }
}

/// A client that sends the frames it is told to, and no PONG.
pub(crate) struct Raw {
    pub(crate) stream: TcpStream,
}

pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const HEADERS: u8 = 1;
const END_STREAM_AND_HEADERS: u8 = 5;
pub(crate) const ACK: u8 = 1;

impl Raw {
    pub(crate) async fn connect(town: &Town) -> Self {
        let stream = TcpStream::connect(town.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let mut raw = Self { stream };
        raw.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
        raw.send(SETTINGS, 0, 0, &[]).await;
        raw.send(SETTINGS, ACK, 0, &[]).await;
        raw
    }

    pub(crate) async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = vec![0, 0, u8::try_from(payload.len()).unwrap(), kind, flags];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.stream.write_all(&frame).await.unwrap();
    }

    /// A GET for `path`, in the static table's terms.
    pub(crate) async fn get(&mut self, stream: u32, path: &str) {
        let mut block = vec![0x82, 0x86, 0x01, 4];
        block.extend(b"test");
        block.extend([0x04, u8::try_from(path.len()).unwrap()]);
        block.extend(path.as_bytes());
        self.send(HEADERS, END_STREAM_AND_HEADERS, stream, &block).await;
    }

    /// The next frame's kind, stream and payload; `None` at the end.
    pub(crate) async fn frame(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        soon(self.stream.read_exact(&mut head)).await.ok()?;
        let [_, a, b, kind, _, stream @ ..] = head;
        let mut payload = vec![0; usize::from(a) << 8 | usize::from(b)];
        soon(self.stream.read_exact(&mut payload)).await.ok()?;
        Some((kind, u32::from_be_bytes(stream), payload))
    }

    /// Reads until one of each kind has come, and returns the kinds of all that did.
    async fn frames_to(&mut self, wanted: &[u8]) -> Vec<u8> {
        let mut kinds = Vec::new();
        while !wanted.iter().all(|kind| kinds.contains(kind)) {
            kinds.push(self.frame().await.expect("the connection holds").0);
        }
        kinds
    }

    pub(crate) async fn frame_of(&mut self, wanted: u8) -> (u32, Vec<u8>) {
        while let Some((kind, stream, payload)) = self.frame().await {
            if kind == wanted {
                return (stream, payload);
            }
        }
        panic!("the connection ends without a frame of kind {wanted}");
    }
}

#[tokio::test]
async fn streams_in_flight_are_finished_in_the_drain() {
    let town = Town::open().await;
    let mut client = Client::connect(&town).await;
    let slow: Vec<_> = (0..5).map(|_| tokio::spawn(client.send("/slow"))).collect();
    for _ in &slow {
        town.entered().await;
    }
    town.to(Phase::Draining);
    moment().await;
    for slow in slow {
        town.release();
        assert_eq!(soon(slow).await.unwrap().unwrap().status(), 200);
    }
    client.closed().await;
    town.closes(CloseReason::Retired, 1).await;
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
pub(crate) async fn a_connection_accepted_in_the_lame_duck_is_answered_once_before_it_is_told() {
    let town = Town::open().await;
    town.to(Phase::LameDuck);
    for _ in 0..50 {
        let mut client = Client::connect(&town).await;
        assert_eq!(client.get("/").await, 2);
        client.closed().await;
    }
    let mut raw = Raw::connect(&town).await;
    moment().await;
    raw.send(PING, 0, 0, b"any news").await;
    let before = raw.frames_to(&[PING]).await;
    assert!(!before.contains(&GOAWAY), "{before:?}");
    raw.get(1, "/").await;
    raw.frames_to(&[HEADERS, GOAWAY]).await;
}

#[tokio::test]
pub(crate) async fn an_idle_connection_that_was_answered_is_told_in_the_lame_duck() {
    let town = Town::open().await;
    let mut client = Client::connect(&town).await;
    assert_eq!(client.get("/").await, 2);
    town.to(Phase::LameDuck);
    client.closed().await;
}

#[tokio::test]
pub(crate) async fn a_peer_without_pong_is_dropped_a_second_after_its_last_stream() {
    let town = Town::open().await;
    let mut raw = Raw::connect(&town).await;
    raw.get(1, "/slow").await;
    town.entered().await;
    town.to(Phase::Draining);
    raw.frames_to(&[GOAWAY, PING]).await;
    // Longer than the second: its stream still runs, and a new one is served.
    sleep(millis(1200)).await;
    raw.get(3, "/").await;
    assert_eq!(raw.frame_of(HEADERS).await.0, 3);
    town.release();
    assert_eq!(raw.frame_of(HEADERS).await.0, 1);
    let begun = Instant::now();
    while raw.frame().await.is_some() {}
    let waited = begun.elapsed();
    assert!((millis(900)..millis(2500)).contains(&waited), "{waited:?}");
    town.closes(CloseReason::NoPong, 1).await;
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn a_peer_without_pong_that_talks_on_is_hung_up_on_all_the_same_and_gets_no_reset() {
    let town = Town::open().await;
    let mut raw = Raw::connect(&town).await;
    raw.get(1, "/").await;
    raw.frame_of(HEADERS).await;
    town.to(Phase::Draining);
    raw.frames_to(&[GOAWAY, PING]).await;
    let begun = Instant::now();
    let talk = async {
        let mut reading = [0; 1024];
        loop {
            // A ping of its own, which h2 answers.
            raw.send(PING, 0, 0, b"and now?").await;
            if tokio::time::timeout(millis(100), raw.stream.read(&mut reading))
                .await
                .is_ok_and(|read| read.unwrap() == 0)
            {
                break;
            }
        }
    };
    soon(talk).await;
    assert!((millis(900)..millis(2000)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    // What crosses our end is thrown away, and a stream among it is counted: no GOAWAY named the last one.
    raw.get(3, "/").await;
    raw.send(PING, 0, 0, b"no reset").await;
    sleep(millis(300)).await;
    assert_eq!(raw.stream.read(&mut [0; 64]).await.unwrap(), 0);
    assert_eq!(town.handle.connections(), 1);
    drop(raw);
    town.closes(CloseReason::NoPong, 1).await;
    assert_eq!(town.served().await.requests_discarded, 1);
}

#[tokio::test]
pub(crate) async fn after_the_pong_the_last_goaway_names_the_last_stream_and_the_socket_stays_for_what_is_under_way()
 {
    for client_closes in [true, false] {
        let town = Town::open().await;
        let mut raw = Raw::connect(&town).await;
        raw.get(1, "/slow").await;
        town.entered().await;
        town.to(Phase::Draining);
        let (_, first) = raw.frame_of(GOAWAY).await;
        assert_eq!(first[..4], 0x7fff_ffff_u32.to_be_bytes());
        let (_, ping) = raw.frame_of(PING).await;
        // Told, and not yet acknowledged: served.
        raw.get(3, "/").await;
        assert_eq!(raw.frame_of(HEADERS).await.0, 3);
        raw.send(PING, ACK, 0, &ping).await;
        let (_, last) = raw.frame_of(GOAWAY).await;
        assert_eq!(last[..4], 3u32.to_be_bytes());
        // Beyond the last one: never begun, and the client knows.
        raw.get(5, "/").await;
        moment().await;
        assert_eq!(town.calls(), 2);
        town.release();
        assert_eq!(raw.frame_of(HEADERS).await.0, 1);
        while raw.frame().await.is_some() {}
        let begun = Instant::now();
        if !client_closes {
            while town.handle.connections() > 0 {
                // A reset would be an error here.
                raw.send(PING, 0, 0, b"any more").await;
                assert_eq!(raw.stream.try_read(&mut [0; 64]).unwrap(), 0);
                sleep(millis(300)).await;
            }
            assert!((millis(900)..millis(2000)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
        }
        drop(raw);
        assert_eq!(town.served().await, Served::default());
        assert!(!client_closes || begun.elapsed() < millis(500), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
pub(crate) async fn a_connection_accepted_before_the_drain_has_a_second_for_its_first_stream() {
    let town = Town::open().await;
    let mut raw = Raw::connect(&town).await;
    let mut silent = Raw::connect(&town).await;
    moment().await;
    town.to(Phase::Draining);
    let begun = Instant::now();
    sleep(millis(500)).await;
    raw.get(1, "/").await;
    // Answered before it is told, or at least not told before it has asked.
    let frames = raw.frames_to(&[HEADERS, GOAWAY]).await;
    assert!(frames.contains(&GOAWAY), "{frames:?}");
    silent.frame_of(GOAWAY).await;
    assert!((millis(900)..millis(1500)).contains(&begun.elapsed()), "{:?}", begun.elapsed());
    drop((raw, silent));
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
pub(crate) async fn a_handshake_in_progress_has_a_second_in_the_drain() {
    let town = Town::open().await;
    let mut begun = TcpStream::connect(town.address).await.unwrap();
    begun.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut late = TcpStream::connect(town.address).await.unwrap();
    late.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    moment().await;
    town.to(Phase::Draining);
    let since = Instant::now();
    sleep(millis(500)).await;
    let mut late = Raw { stream: late };
    late.send(SETTINGS, 0, 0, &[]).await;
    late.get(1, "/").await;
    late.frame_of(HEADERS).await;
    // Our own SETTINGS, and then the end.
    let mut ours = Vec::new();
    soon(begun.read_to_end(&mut ours)).await.unwrap();
    assert!((millis(900)..millis(1500)).contains(&since.elapsed()), "{:?}", since.elapsed());
    assert_eq!(ours[3], SETTINGS);
    drop(late);
    town.closes(CloseReason::Header, 1).await;
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn half_a_block_of_headers_is_active_in_the_drain_and_is_answered_when_it_is_completed() {
    let town = Town::open().await;
    let mut raw = Raw::connect(&town).await;
    raw.get(1, "/").await;
    raw.frame_of(HEADERS).await;
    raw.send(HEADERS, 1, 3, &[0x82, 0x86, 0x84]).await;
    moment().await;
    town.to(Phase::Draining);
    // Longer than a peer without PONG has that runs nothing.
    sleep(millis(1500)).await;
    raw.send(9, 4, 3, b"\x01\x04test").await;
    assert_eq!(raw.frame_of(HEADERS).await.0, 3);
}

#[tokio::test]
async fn fifty_streams_with_bodies_are_all_finished_across_the_goaway() {
    let town = Town::open().await;
    let stream = TcpStream::connect(town.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut bodies = Vec::new();
    let mut uploads = Vec::new();
    for _ in 0..50 {
        let body = ScriptedBody::new([Step::data("half, "), Step::pending(), Step::data("whole")]);
        bodies.push(body.handle());
        let upload = requests.send_request(Request::post("http://test/upload").body(body).unwrap());
        uploads.push(tokio::spawn(upload));
    }
    until(|| town.handle.in_flight() == 50).await;
    town.to(Phase::LameDuck);
    moment().await;
    town.to(Phase::Draining);
    moment().await;
    bodies.iter().for_each(BodyHandle::wake);
    for upload in uploads {
        let reply = soon(upload).await.unwrap().unwrap();
        assert_eq!(reply.status(), 200);
        let text = soon(reply.into_body().collect()).await.unwrap().to_bytes();
        assert!(text.starts_with(b"11 bytes"), "{text:?}");
    }
    drop(requests);
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn a_peer_that_answered_the_ping_is_not_dropped_while_it_reads_slowly() {
    let town = Town::open().await;
    let mut raw = Raw::connect(&town).await;
    // Its window takes 64 KiB: the handler is done, and h2 holds what fits its buffer.
    raw.get(1, "/small").await;
    raw.frame_of(HEADERS).await;
    raw.get(3, "/window").await;
    raw.frame_of(HEADERS).await;
    town.to(Phase::Draining);
    let (_, ping) = raw.frame_of(PING).await;
    raw.send(PING, ACK, 0, &ping).await;
    until(|| town.handle.in_flight() == 0).await;
    sleep(millis(1500)).await;
    assert_eq!(town.handle.closes(CloseReason::NoPong), 0);
    assert_eq!(town.handle.connections(), 1);
    // WINDOW_UPDATE, for the connection and the stream.
    for stream in [0, 3] {
        raw.send(8, 0, stream, &1_000_000u32.to_be_bytes()).await;
    }
    while raw.frame().await.is_some() {}
    drop(raw);
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn an_idle_connection_is_told_to_leave_at_its_time() {
    let town = Town::with(|server| server.header(millis(50)).keep_alive_idle(millis(300))).await;
    let mut client = Client::connect(&town).await;
    for _ in 0..3 {
        assert_eq!(client.get("/").await, 2);
        sleep(millis(150)).await;
    }
    let mut running = Client::connect(&town).await;
    let slow = tokio::spawn(running.send("/slow"));
    town.entered().await;
    client.closed().await;
    town.closes(CloseReason::KeepAliveIdle, 1).await;
    sleep(millis(400)).await;
    town.release();
    assert_eq!(soon(slow).await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_stream_that_the_client_resets_leaves_an_idle_connection() {
    let town = Town::with(|server| server.keep_alive_idle(millis(300))).await;
    let mut raw = Raw::connect(&town).await;
    raw.get(1, "/slow").await;
    town.entered().await;
    raw.send(3, 0, 1, &8u32.to_be_bytes()).await;
    soon(town.app.dropped.acquire()).await.unwrap().forget();
    assert_eq!(town.handle.in_flight(), 0);
    raw.frame_of(GOAWAY).await;
    town.closes(CloseReason::KeepAliveIdle, 1).await;
}

#[tokio::test]
async fn a_stalled_body_gets_408_and_its_connection_stays() {
    let town = Town::with(|server| server.request_body_idle(millis(200))).await;
    let stream = TcpStream::connect(town.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let post = |body| Request::post("http://test/upload").body(body).unwrap();
    let stalled = ScriptedBody::new([Step::data("abc"), Step::pending()]);
    let stalled = tokio::spawn(requests.send_request(post(stalled)));
    let whole = soon(requests.send_request(post(ScriptedBody::new([Step::data("abc")])))).await.unwrap();
    assert_eq!(whole.status(), 200);
    let refused = soon(stalled).await.unwrap().unwrap();
    assert_eq!(refused.status(), 408);
    assert!(!refused.headers().contains_key("connection"));
    let another = post(ScriptedBody::new([Step::data("abc")]));
    assert_eq!(soon(requests.send_request(another)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn at_the_cap_an_idle_connection_makes_room() {
    let town = Town::with(|server| server.max_connections(1)).await;
    let mut first = Client::connect(&town).await;
    assert_eq!(first.get("/").await, 2);
    let mut second = Client::connect(&town).await;
    assert_eq!(second.get("/").await, 2);
    assert_eq!(town.handle.closes(CloseReason::MadeRoom), 1);
}

#[tokio::test]
async fn closing_drops_the_handlers_of_streams() {
    let town = Town::open().await;
    let mut client = Client::connect(&town).await;
    let slow = tokio::spawn(client.send("/slow"));
    town.entered().await;
    town.to(Phase::Closing);
    assert!(soon(slow).await.unwrap().is_err());
    soon(town.app.dropped.acquire()).await.unwrap().forget();
    let served = town.served().await;
    assert_eq!((served.connections_cut, served.requests_cut), (1, 1));
}

#[tokio::test]
async fn a_big_answer_is_whole_in_the_drain() {
    let town = Town::open().await;
    let mut client = Client::connect(&town).await;
    let response = soon(client.send("/big")).await.unwrap();
    town.to(Phase::Draining);
    moment().await;
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes().len(), BIG);
    client.closed().await;
    assert_eq!(town.served().await, Served::default());
}
