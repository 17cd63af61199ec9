//! TLS: its handshakes, its certificates, and that what holds without it holds with it.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use macadam_core::{Gauges, Phase};
use macadam_serve::{CloseReason, Served, Tls, TlsError, TlsHandle};
use macadam_test::wire::Client;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::town::{BIG, GET, Town, millis, moment, soon, until};

type Secure = Client<TlsStream<TcpStream>>;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls").join(name)
}

fn one() -> Tls {
    Tls::pem(fixture("one.pem"), fixture("one.key")).unwrap()
}

fn certificate(name: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(fixture(name)).unwrap()
}

fn connector(alpn: &[&str]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(certificate("one.pem")).unwrap();
    roots.add(certificate("two.pem")).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// A client that trusts both certificates of the fixtures.
async fn session(town: &Town, alpn: &[&str]) -> TlsStream<TcpStream> {
    let tcp = TcpStream::connect(town.address).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    soon(connector(alpn).connect("test".try_into().unwrap(), tcp)).await.unwrap()
}

async fn client(town: &Town) -> Secure {
    Client::over(session(town, &["http/1.1"]).await)
}

fn shown(session: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    session.get_ref().1.peer_certificates().unwrap()[0].clone()
}

async fn town() -> Town {
    Town::with(|server| server.tls(one())).await
}

#[tokio::test]
async fn alpn_decides_what_is_spoken() {
    let town = town().await;
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let session = session(&town, offered).await;
        let found = session.get_ref().1.alpn_protocol().map(|name| std::str::from_utf8(name).unwrap());
        assert_eq!(found, agreed, "{offered:?}");
        if agreed == Some("h2") {
            assert_eq!(get_by_http2(session).await, "ok");
        } else {
            assert_eq!(soon(Client::over(session).get("/")).await.text(), "ok");
        }
    }
}

async fn get_by_http2(session: TlsStream<TcpStream>) -> String {
    let io = TokioIo::new(session);
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://test/").body(Empty::<Bytes>::new()).unwrap();
    let response = soon(requests.send_request(request)).await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test]
async fn without_alpn_the_first_bytes_decide() {
    let town = town().await;
    assert_eq!(get_by_http2(session(&town, &[]).await).await, "ok");
}

#[tokio::test]
async fn what_was_agreed_on_is_not_guessed_anew() {
    let town = town().await;
    let mut client = client(&town).await;
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    // It makes no sense to hyper's HTTP/1, and HTTP/2 would have sent its settings.
    assert!(soon(client.closed()).await.unwrap().is_empty());
    let mut client = Client::over(session(&town, &["h2"]).await);
    let _ = client.try_send(GET).await;
    assert!(!matches!(soon(client.closed()).await, Ok(answer) if answer.starts_with(b"HTTP/1.1")));
    assert_eq!(town.calls(), 0);
}

#[tokio::test]
async fn who_agreed_on_http2_and_says_half_a_preface_is_closed_without_a_408() {
    let town = Town::with(|server| server.tls(one()).header(millis(200))).await;
    let mut client = Client::over(session(&town, &["h2"]).await);
    client.send("PRI * HT").await;
    assert!(soon(client.closed()).await.unwrap().is_empty());
    town.closes(CloseReason::Header, 1).await;
}

#[tokio::test]
async fn the_first_bytes_clock_runs_from_the_end_of_the_handshake() {
    let town = Town::with(|server| server.tls(one()).first_byte(millis(300))).await;
    let tcp = TcpStream::connect(town.address).await.unwrap();
    sleep(millis(400)).await;
    let session = soon(connector(&[]).connect("test".try_into().unwrap(), tcp)).await.unwrap();
    let begun = Instant::now();
    assert!(soon(Client::over(session).closed()).await.unwrap().is_empty());
    assert!(begun.elapsed() > millis(200), "{:?}", begun.elapsed());
    town.closes(CloseReason::FirstByte, 1).await;
}

#[tokio::test]
async fn a_handshake_that_stalls_is_closed_at_its_limit_and_not_before() {
    let town = Town::with(|server| server.tls(one().handshake(millis(400)))).await;
    // Nothing at all, and the head of a record that promises a ClientHello.
    for begun in [&b""[..], &[22, 3, 1, 2, 0, 1]] {
        let at = Instant::now();
        let mut client = town.client().await;
        client.send(begun).await;
        let stalled = soon(client.closed()).await.unwrap();
        assert!(stalled.is_empty());
        assert!((millis(350)..millis(2000)).contains(&at.elapsed()), "{:?}", at.elapsed());
    }
    town.closes(CloseReason::TlsHandshake, 2).await;

    let tcp = TcpStream::connect(town.address).await.unwrap();
    sleep(millis(200)).await;
    let session = soon(connector(&[]).connect("test".try_into().unwrap(), tcp)).await.unwrap();
    sleep(millis(400)).await;
    assert_eq!(soon(Client::over(session).get("/")).await.text(), "ok");
    assert_eq!(town.handle.closes(CloseReason::TlsHandshake), 2);
}

#[tokio::test]
async fn a_crowd_that_never_shakes_hands_keeps_nobody_out() {
    let town = Town::with(|server| server.tls(one()).max_connections(3)).await;
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(town.client().await);
    }
    assert_eq!(soon(client(&town).await.get("/")).await.text(), "ok");
    assert!(town.handle.closes(CloseReason::MadeRoom) >= 7);
}

#[tokio::test]
async fn plain_http_gets_an_alert_and_is_counted() {
    let town = town().await;
    let mut plain = town.client().await;
    plain.send(GET).await;
    let alert = soon(plain.closed()).await.unwrap();
    assert_eq!(alert.first(), Some(&21), "{alert:?}");
    town.closes(CloseReason::TlsFailed, 1).await;
    assert_eq!(town.calls(), 0);
}

#[tokio::test]
async fn a_client_that_trusts_nobody_is_counted_as_a_handshake_that_failed() {
    let town = town().await;
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let tcp = TcpStream::connect(town.address).await.unwrap();
    let refused = TlsConnector::from(Arc::new(config)).connect("test".try_into().unwrap(), tcp);
    assert!(soon(refused).await.is_err());
    town.closes(CloseReason::TlsFailed, 1).await;
}

#[tokio::test]
async fn who_only_looks_whether_the_port_is_open_is_no_failure() {
    let town = town().await;
    drop(town.client().await);
    town.closes(CloseReason::Ended, 1).await;
}

#[tokio::test]
async fn a_client_that_leaves_without_a_close_notify_is_no_failure() {
    let town = town().await;
    let mut client = client(&town).await;
    assert_eq!(soon(client.get("/")).await.text(), "ok");
    let (mut tcp, _) = client.into_stream().into_inner();
    tcp.shutdown().await.unwrap();
    town.closes(CloseReason::Ended, 1).await;
}

#[tokio::test]
async fn half_a_head_gets_408_and_a_close_notify() {
    let town = Town::with(|server| server.tls(one()).header(millis(200))).await;
    let mut client = client(&town).await;
    client.send("GET / HTTP/1.1\r\nh").await;
    assert_eq!(soon(client.response()).await.status, 408);
    // Without one rustls makes an error of the end.
    assert!(soon(client.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_connection_that_makes_room_gets_its_408_and_a_close_notify() {
    let town = Town::with(|server| server.tls(one()).max_connections(1)).await;
    let mut slow = client(&town).await;
    slow.send("GET / HT").await;
    moment().await;
    let mut newcomer = client(&town).await;
    assert_eq!(soon(newcomer.get("/")).await.text(), "ok");
    assert_eq!(soon(slow.response()).await.status, 408);
    assert!(soon(slow.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_early_413_to_an_upload_arrives_whole() {
    let town = town().await;
    let mut client = client(&town).await;
    client.send("POST /too-large HTTP/1.1\r\nhost: test\r\ncontent-length: 10000000\r\n\r\n").await;
    for _ in 0..20 {
        let _ = client.try_send(vec![b'x'; 16 * 1024]).await;
        sleep(millis(2)).await;
    }
    let reply = soon(client.response()).await;
    assert_eq!((reply.status.as_u16(), reply.text()), (413, "too large"));
    assert!(soon(client.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn half_a_head_is_answered_when_it_is_completed_in_the_drain() {
    let town = town().await;
    for first in [true, false] {
        let mut client = client(&town).await;
        if !first {
            assert_eq!(client.get("/").await.text(), "ok");
        }
        client.send("GET / HTTP/1.1\r\nho").await;
        moment().await;
        if !first {
            town.to(Phase::Draining);
            moment().await;
        }
        client.send("st: test\r\n\r\n").await;
        assert_eq!(soon(client.response()).await.text(), "ok");
    }
    assert_eq!(town.served().await, Served::default());
}

/// What a client sends after its handshake, held back.
struct Held {
    session: rustls::ClientConnection,
    tcp: TcpStream,
}

impl Held {
    async fn open(town: &Town) -> Self {
        let mut client = client(town).await;
        assert_eq!(client.get("/").await.text(), "ok");
        let (tcp, session) = client.into_stream().into_inner();
        Self { session, tcp }
    }

    /// The records of some plaintext.
    fn sealed(&mut self, plain: &[u8]) -> Vec<u8> {
        use std::io::Write;
        self.session.writer().write_all(plain).unwrap();
        let mut records = Vec::new();
        while self.session.wants_write() {
            self.session.write_tls(&mut records).unwrap();
        }
        records
    }

    async fn answer(mut self) -> String {
        use std::io::Read;
        let mut answer = String::new();
        loop {
            let mut bytes = vec![0; 4096];
            let read = soon(self.tcp.read(&mut bytes)).await.unwrap();
            if read == 0 {
                return answer;
            }
            self.session.read_tls(&mut &bytes[..read]).unwrap();
            self.session.process_new_packets().unwrap();
            let _ = self.session.reader().read_to_string(&mut answer);
        }
    }
}

#[tokio::test]
async fn a_request_of_which_half_a_record_has_come_is_answered_in_the_drain() {
    let town = town().await;
    let mut client = Held::open(&town).await;
    let request = client.sealed(GET.as_bytes());
    for (at, part) in request.chunks(3).enumerate() {
        client.tcp.write_all(part).await.unwrap();
        // Within the head of the record, and within its payload.
        if at == 0 {
            moment().await;
            town.to(Phase::Draining);
            moment().await;
        }
    }
    let answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{answer}");
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn a_record_that_was_no_head_starts_no_heads_clock() {
    let town = Town::with(|server| server.tls(one()).header(millis(400))).await;
    let mut client = Held::open(&town).await;
    client.session.refresh_traffic_keys().unwrap();
    let rekeyed = client.sealed(b"");
    for part in rekeyed.chunks(10) {
        client.tcp.write_all(part).await.unwrap();
        moment().await;
    }
    sleep(millis(500)).await;
    let request = client.sealed(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    for part in request.chunks(10) {
        client.tcp.write_all(part).await.unwrap();
        sleep(millis(10)).await;
    }
    let answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn half_a_record_does_not_hold_up_the_drain() {
    let town = Town::with(|server| server.tls(one()).header(millis(300))).await;
    let mut client = Held::open(&town).await;
    let request = client.sealed(GET.as_bytes());
    client.tcp.write_all(&request[..10]).await.unwrap();
    moment().await;
    town.to(Phase::Draining);
    let begun = Instant::now();
    assert_eq!(client.answer().await, "");
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn idle_connections_get_a_close_notify_and_nothing_is_counted_as_lost() {
    let town = town().await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = client(&town).await;
        assert_eq!(soon(client.get("/")).await.text(), "ok");
        clients.push(client);
    }
    moment().await;
    town.to(Phase::Draining);
    for mut client in clients {
        assert!(soon(client.closed()).await.unwrap().is_empty());
        // Says its own close_notify, which is not a request.
        client.shutdown().await;
    }
    town.closes(CloseReason::Retired, 3).await;
    assert_eq!((town.handle.discarded_requests(), town.handle.discarded_bytes()), (0, 0));
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn a_request_that_crosses_our_end_is_counted() {
    let town = town().await;
    let mut client = client(&town).await;
    assert_eq!(soon(client.get("/")).await.text(), "ok");
    moment().await;
    town.to(Phase::Draining);
    assert!(soon(client.closed()).await.unwrap().is_empty());
    client.send(GET).await;
    until(|| town.handle.discarded_requests() == 1).await;
    assert_eq!(town.handle.discarded_bytes(), GET.len() as u64);
    assert_eq!(town.served().await.requests_discarded, 1);
}

#[tokio::test]
async fn a_big_answer_to_a_slow_reader_is_whole_in_the_drain() {
    let town = town().await;
    let mut client = client(&town).await;
    client.send("GET /big HTTP/1.1\r\nhost: test\r\n\r\n").await;
    moment().await;
    assert_eq!(town.handle.in_flight(), 0);
    town.to(Phase::Draining);
    moment().await;
    assert_eq!(soon(client.response()).await.body.len(), BIG);
    assert!(soon(client.closed()).await.unwrap().is_empty());
    drop(client);
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn an_http2_stream_that_runs_is_answered_in_the_drain() {
    let town = town().await;
    let io = TokioIo::new(session(&town, &["h2"]).await);
    let (mut requests, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("https://test/slow").body(Empty::<Bytes>::new()).unwrap();
    let answer = tokio::spawn(requests.send_request(request));
    town.entered().await;
    town.to(Phase::Draining);
    moment().await;
    town.release();
    let response = soon(answer).await.unwrap().unwrap();
    assert_eq!(soon(response.into_body().collect()).await.unwrap().to_bytes(), "slow");
    soon(connection).await.unwrap().unwrap();
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn an_answer_cut_by_the_end_is_not_taken_for_a_whole_one() {
    let town = town().await;
    let mut client = client(&town).await;
    client.send("GET /big HTTP/1.0\r\n\r\n").await;
    moment().await;
    town.to(Phase::Closing);
    assert!(soon(client.closed()).await.is_err());
}

#[tokio::test]
async fn closing_cuts_a_handshake() {
    let town = town().await;
    let mut client = town.client().await;
    until(|| town.handle.connections() == 1).await;
    town.to(Phase::Closing);
    assert!(soon(client.closed()).await.unwrap().is_empty());
    assert_eq!(town.handle.closes(CloseReason::Cut), 1);
}

#[tokio::test]
async fn a_handshake_begun_before_the_drain_is_finished_in_it() {
    let town = town().await;
    let tcp = TcpStream::connect(town.address).await.unwrap();
    until(|| town.handle.connections() == 1).await;
    town.to(Phase::Draining);
    moment().await;
    let session = soon(connector(&[]).connect("test".try_into().unwrap(), tcp)).await.unwrap();
    let reply = soon(Client::over(session).get("/")).await;
    assert_eq!((reply.text(), reply.header("connection")), ("ok", Some("close")));
    assert_eq!(town.served().await, Served::default());
}

#[tokio::test]
async fn an_upgraded_connection_echoes() {
    let town = town().await;
    let mut client = client(&town).await;
    client.send("GET /echo HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n").await;
    assert_eq!(soon(client.response()).await.status, 101);
    let mut session = client.into_stream();
    session.write_all(b"hello").await.unwrap();
    session.flush().await.unwrap();
    let mut echoed = [0; 5];
    soon(session.read_exact(&mut echoed)).await.unwrap();
    assert_eq!(&echoed, b"hello");
}

/// A directory with a certificate in it, as Kubernetes lays it out: the files lead through a link that is swapped.
struct Secret(PathBuf);

impl Secret {
    fn of(name: &str, test: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(&root).unwrap();
        let secret = Self(root);
        secret.swap(|dir| {
            fs::copy(fixture(&format!("{name}.pem")), dir.join("tls.crt")).unwrap();
            fs::copy(fixture(&format!("{name}.key")), dir.join("tls.key")).unwrap();
        });
        for file in ["tls.crt", "tls.key"] {
            symlink(Path::new("..data").join(file), secret.0.join(file)).unwrap();
        }
        secret
    }

    /// Fills a new directory, and has the link lead there.
    fn swap(&self, fill: impl FnOnce(&Path)) {
        let new = self.0.join(format!("..{}", fs::read_dir(&self.0).unwrap().count()));
        fs::create_dir(&new).unwrap();
        fill(&new);
        symlink(&new, self.0.join("..data_tmp")).unwrap();
        fs::rename(self.0.join("..data_tmp"), self.0.join("..data")).unwrap();
    }

    fn swap_to(&self, certificate: &str, key: &str) {
        self.swap(|dir| {
            fs::copy(fixture(certificate), dir.join("tls.crt")).unwrap();
            fs::copy(fixture(key), dir.join("tls.key")).unwrap();
        });
    }

    fn tls(&self) -> (Tls, TlsHandle) {
        Tls::pem(self.0.join("tls.crt"), self.0.join("tls.key")).unwrap().pair()
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_and_old_ones_go_on() {
    let secret = Secret::of("one", "reload");
    let (tls, certificates) = secret.tls();
    let town = Town::with(|server| server.tls(tls)).await;
    // One client, which would resume its session if it could.
    let connector = connector(&["http/1.1"]);
    let connect = async || {
        let tcp = TcpStream::connect(town.address).await.unwrap();
        soon(connector.connect("test".try_into().unwrap(), tcp)).await.unwrap()
    };
    let old = connect().await;
    assert_eq!(shown(&old), certificate("one.pem"));
    let mut old = Client::over(old);
    assert_eq!(soon(old.get("/")).await.text(), "ok");

    secret.swap_to("two.pem", "two.key");
    assert_eq!(shown(&connect().await), certificate("one.pem"), "nobody has looked yet");
    certificates.reload().unwrap();
    let new = connect().await;
    assert_eq!(shown(&new), certificate("two.pem"));
    assert_eq!(soon(Client::over(new).get("/")).await.text(), "ok");
    assert_eq!(soon(old.get("/")).await.text(), "ok");
}

#[tokio::test]
async fn files_that_change_are_found_by_looking_again() {
    let secret = Secret::of("one", "recheck");
    let (tls, certificates) = secret.tls();
    let town = Town::with(|server| server.tls(tls.recheck(millis(20)))).await;
    secret.swap_to("two.pem", "one.key");
    until(|| certificates.is_stale()).await;
    assert_eq!(shown(&session(&town, &[]).await), certificate("one.pem"));
    secret.swap_to("two.pem", "two.key");
    until(|| !certificates.is_stale()).await;
    assert_eq!(shown(&session(&town, &[]).await), certificate("two.pem"));
    // Nobody looks any more once the server is gone.
    town.served.abort();
    let _ = town.served.await;
    secret.swap_to("two.pem", "one.key");
    moment().await;
    assert!(!certificates.is_stale());
}

#[tokio::test]
async fn a_reload_of_no_use_keeps_the_old_certificate_and_says_so() {
    let secret = Secret::of("one", "stale");
    let (tls, certificates) = secret.tls();
    let town = Town::with(|server| server.tls(tls)).await;
    let figures = || {
        let mut figures = Vec::new();
        certificates.read(&mut |reading| figures.push((reading.name, reading.value)));
        figures
    };
    let not_after = ("macadam_serve_tls_certificate_not_after_seconds", 4_733_510_400.0);
    assert_eq!(figures(), [not_after, ("macadam_serve_tls_certificate_stale", 0.0)]);

    secret.swap(|_| {});
    assert!(matches!(certificates.reload(), Err(TlsError::Unreadable { .. })));
    secret.swap_to("two.pem", "one.key");
    assert!(matches!(certificates.reload(), Err(TlsError::Mismatch { .. })));
    assert_eq!(figures(), [not_after, ("macadam_serve_tls_certificate_stale", 1.0)]);
    assert_eq!(shown(&session(&town, &[]).await), certificate("one.pem"));

    secret.swap_to("one.pem", "one.key");
    certificates.reload().unwrap();
    assert_eq!(figures()[1], ("macadam_serve_tls_certificate_stale", 0.0));
}

#[test]
fn an_error_names_the_file_and_the_cure() {
    let garbage = Path::new(env!("CARGO_TARGET_TMPDIR")).join("garbage.pem");
    fs::write(&garbage, "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").unwrap();
    let nonsense = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nonsense.pem");
    fs::write(&nonsense, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let (pem, key) = (fixture("one.pem"), fixture("one.key"));
    for (certificate, key, words) in [
        (&fixture("none.pem"), &key, ["none.pem", "cannot read", "name a file that is there"]),
        (&pem, &fixture("none.key"), ["none.key", "cannot read", "name a file that is there"]),
        (&key, &key, ["one.key", "holds no certificate", "BEGIN CERTIFICATE"]),
        (&pem, &pem, ["one.pem", "holds no private key", "BEGIN PRIVATE KEY"]),
        (&garbage, &key, ["garbage.pem", "is not PEM", "BEGIN and END"]),
        (&pem, &fixture("two.key"), ["two.key", "is not that of the first certificate", "name a pair"]),
        (&nonsense, &key, ["nonsense.pem", "is of no use", "issue one"]),
    ] {
        let error = Tls::pem(certificate, key).unwrap_err().to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert!(!error.contains('\n'), "{error}");
    }
}
