//! One address, and the instances of a service that have it one after the other.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    convert::Infallible,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream as StdStream},
    os::{
        linux::net::SocketAddrExt,
        unix::net::{
            SocketAddr as UnixAddress, UnixListener as StdUnixListener, UnixStream as StdUnixStream,
        },
    },
    sync::atomic::{AtomicU16, Ordering::Relaxed},
    thread,
    time::Duration,
};

use http::{Request, Response};
use macadam_core::{Phase, PhaseOwner};
use macadam_serve::{Body, HandOver, Handle, Listen, Listener, Origin, Served, Server};
use macadam_test::wire::Client;
use rustix::{process::geteuid, thread::set_thread_res_uid};
use tokio::{
    net::TcpListener,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tower::service_fn;

/// An address that nobody has, and that no client gets for its end: those ports are higher.
fn free() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let from = u16::try_from(std::process::id() % 1_000).unwrap() * 20;
    loop {
        let port = 10_000 + (from + NEXT.fetch_add(1, Relaxed)) % 20_000;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if std::net::TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn passed(address: SocketAddr) -> Listen {
    Listen::new(address).hand_over(HandOver::Pass).service("orders")
}

/// A server that answers with its name.
struct Instance {
    handle: Handle,
    phase: PhaseOwner,
    served: JoinHandle<Served>,
}

impl Instance {
    fn on(listener: Listener, name: &'static str) -> Self {
        let phase = PhaseOwner::new();
        phase.advance(Phase::Serving, None);
        let (server, handle) = Server::new(listener).phase(phase.watch()).pair();
        let service = service_fn(async move |request: Request<Body>| {
            if request.uri().path() == "/slow" {
                sleep(Duration::from_millis(300)).await;
            }
            Ok::<_, Infallible>(Response::new(name.to_owned()))
        });
        Self { handle, phase, served: tokio::spawn(server.serve(service)) }
    }

    async fn at(address: SocketAddr, name: &'static str) -> Self {
        Self::on(passed(address).listen().await.unwrap(), name)
    }

    async fn is_handed_over(&self) {
        soon(self.handle.handed_over().happens()).await;
    }
}

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(10), future).await.expect("it happens soon")
}

/// Who answers a new connection.
async fn who(address: SocketAddr) -> String {
    soon(Client::connect(address)).await.get("/").await.text().to_owned()
}

/// The name by which the instance at `address` is asked: two versions of this library have to agree on it.
fn name_of(address: SocketAddr) -> UnixAddress {
    UnixAddress::from_abstract_name(format!("macadam/{}/{address}", geteuid().as_raw())).unwrap()
}

#[tokio::test]
async fn a_successor_gets_every_connection_once_it_serves_and_those_that_nobody_had_accepted() {
    let address = free();
    let first = Instance::at(address, "first").await;
    assert_eq!(who(address).await, "first");
    let listener = passed(address).listen().await.unwrap();
    assert_eq!(listener.origin(), Origin::Predecessor);
    // It has the socket, and does not accept: the first one does.
    assert_eq!(who(address).await, "first");
    assert!(!first.handle.handed_over().has_happened());

    let _second = Instance::on(listener, "second");
    first.is_handed_over().await;
    let accepted = first.handle.accepted();
    for _ in 0..50 {
        assert_eq!(who(address).await, "second");
    }
    assert_eq!(first.handle.accepted(), accepted);
    // It drains what it has, and nothing that is in the queue.
    first.phase.advance(Phase::Draining, None);
    assert_eq!(soon(first.served).await.unwrap(), Served::default());
    assert_eq!(who(address).await, "second");
}

#[tokio::test]
async fn who_has_handed_over_serves_those_that_it_has_until_they_leave() {
    let address = free();
    let first = Instance::at(address, "first").await;
    let [mut slow, mut idle] = [Client::connect(address).await, Client::connect(address).await];
    assert_eq!(idle.get("/").await.text(), "first");
    slow.send("GET /slow HTTP/1.1\r\nhost: t\r\n\r\n").await;
    while first.handle.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    let _second = Instance::at(address, "second").await;
    first.is_handed_over().await;
    first.phase.advance(Phase::LameDuck, None);
    for reply in [idle.get("/").await, slow.response().await] {
        assert_eq!((reply.text(), reply.header("connection")), ("first", Some("close")));
    }
    // Nobody is left, and nobody can come: it does not wait for the lame duck's end.
    assert_eq!(soon(first.served).await.unwrap(), Served::default());
}

#[tokio::test]
async fn a_successor_that_dies_with_the_sockets_in_hand_takes_nothing_along() {
    let address = free();
    let first = Instance::at(address, "first").await;
    for _ in 0..3 {
        drop(passed(address).listen().await.unwrap());
        assert_eq!(who(address).await, "first");
    }
    assert!(!first.handle.handed_over().has_happened());
    let _second = Instance::at(address, "second").await;
    first.is_handed_over().await;
    assert_eq!(who(address).await, "second");
}

#[tokio::test]
async fn of_several_successors_at_once_one_is_left_and_each_of_the_others_handed_over() {
    let address = free();
    let first = Instance::at(address, "first").await;
    let starting: Vec<_> = (0..5).map(|_| tokio::spawn(Instance::at(address, "one of five"))).collect();
    let mut instances = vec![first];
    for instance in starting {
        instances.push(soon(instance).await.unwrap());
    }
    let left = || instances.iter().filter(|one| !one.handle.handed_over().has_happened()).count();
    soon(async {
        while left() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for _ in 0..20 {
        assert_eq!(who(address).await, "one of five");
    }
    assert_eq!(left(), 1);
}

#[tokio::test]
async fn of_several_that_start_where_nobody_is_one_is_left() {
    let address = free();
    let starting: Vec<_> = (0..4).map(|_| tokio::spawn(Instance::at(address, "one of four"))).collect();
    let mut instances = Vec::new();
    for instance in starting {
        instances.push(soon(instance).await.unwrap());
    }
    let left = || instances.iter().filter(|one| !one.handle.handed_over().has_happened()).count();
    soon(async {
        while left() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(who(address).await, "one of four");
}

#[tokio::test]
async fn who_says_nothing_or_nonsense_gets_nothing_and_holds_nobody_up_for_long() {
    let address = free();
    let first = Instance::at(address, "first").await;
    let peer = || StdUnixStream::connect_addr(&name_of(address)).unwrap();
    let nonsense: [&[u8]; 4] =
        [b"GET / HTTP/1.1\r\n\r\n", b"macadam 2\x06orders", b"macadam 1\xff", &[b'R'; 100_000]];
    for words in nonsense {
        let mut peer = peer();
        peer.set_nonblocking(true).unwrap();
        let _ = peer.write(words);
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        let mut peer = tokio::net::UnixStream::from_std(peer).unwrap();
        let mut answer = [0];
        let read = soon(tokio::io::AsyncReadExt::read(&mut peer, &mut answer)).await;
        assert!(matches!(read, Ok(0)) || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    }

    let silent = peer();
    let from = Instant::now();
    let waits = tokio::spawn(Instance::at(address, "second"));
    assert_eq!(who(address).await, "first", "it accepts meanwhile");
    let _second = soon(waits).await.unwrap();
    first.is_handed_over().await;
    let took = from.elapsed();
    assert!(took >= Duration::from_millis(900) && took < Duration::from_secs(5), "{took:?}");
    drop(silent);
}

#[tokio::test(start_paused = true)]
async fn a_successor_has_a_minute_to_get_ready_and_then_the_next_one_is_heard() {
    let address = free();
    let first = Instance::at(address, "first").await;
    let slow = passed(address).listen().await.unwrap();
    let from = Instant::now();
    sleep(Duration::from_secs(55)).await;
    let next = passed(address).listen().await.unwrap();
    let waited = from.elapsed();
    assert!(
        waited >= Duration::from_secs(60) && waited < Duration::from_millis(60_500),
        "the first one is heard to the end of its minute: {waited:?}"
    );
    let _next = Instance::on(next, "next");
    first.handle.handed_over().happens().await;
    drop(slow);
}

/// What a process of another user does: nothing but this thread's user differs.
fn as_nobody<T: Send + 'static>(does: impl FnOnce() -> T + Send + 'static) -> Option<thread::JoinHandle<T>> {
    if !geteuid().is_root() {
        return None;
    }
    Some(thread::spawn(|| {
        let nobody = rustix::process::Uid::from_raw(65_534);
        set_thread_res_uid(nobody, nobody, nobody).unwrap();
        does()
    }))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_user_is_given_nothing() {
    let address = free();
    let first = Instance::at(address, "first").await;
    let name = name_of(address);
    let Some(stranger) = as_nobody(move || {
        let mut asks = StdUnixStream::connect_addr(&name).unwrap();
        let _ = asks.write(b"macadam 1\x06orders");
        asks.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        asks.read(&mut [0])
    }) else {
        eprintln!("SKIPPED: only root can become another user");
        return;
    };
    let read = tokio::task::spawn_blocking(|| stranger.join().unwrap()).await.unwrap();
    assert!(matches!(read, Ok(0)) || read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert!(!first.handle.handed_over().has_happened());
    let _second = Instance::at(address, "second").await;
    first.is_handed_over().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_taken_from_another_user_nor_said_to_it() {
    let address = free();
    let name = name_of(address);
    let (bound, is_bound) = oneshot::channel();
    let Some(squatter) = as_nobody(move || {
        let listener = StdUnixListener::bind_addr(&name).unwrap();
        bound.send(()).unwrap();
        let (mut asks, _) = listener.accept().unwrap();
        asks.read(&mut [0]).map_or(0, |read| read)
    }) else {
        eprintln!("SKIPPED: only root can become another user");
        return;
    };
    is_bound.await.unwrap();
    let listener = soon(passed(address).listen()).await.unwrap();
    assert_eq!(listener.origin(), Origin::Bound);
    let heard = tokio::task::spawn_blocking(|| squatter.join().unwrap()).await.unwrap();
    assert_eq!(heard, 0);
    let _instance = Instance::on(listener, "alone");
    assert_eq!(who(address).await, "alone");
}

#[tokio::test]
async fn another_service_is_told_whose_the_address_is() {
    let address = free();
    let first = Instance::at(address, "first").await;
    let error = passed(address).service("inventory").listen().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(error.to_string(), "\"orders\" listens there, which is another service");
    assert!(!first.handle.handed_over().has_happened());
}

#[tokio::test]
async fn an_address_that_somebody_else_has_is_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = passed(taken.local_addr().unwrap()).listen().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
}

#[tokio::test]
async fn in_its_lame_duck_an_instance_still_hands_over_and_from_the_drain_on_its_address_is_free() {
    let address = free();
    let first = Instance::at(address, "first").await;
    first.phase.advance(Phase::LameDuck, None);
    let second = Instance::at(address, "second").await;
    first.is_handed_over().await;

    let mut client = Client::connect(address).await;
    client.send("GET /slow HTTP/1.1\r\nhost: t\r\n\r\n").await;
    while second.handle.in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    second.phase.advance(Phase::Draining, None);
    // Whether it asks before the listener is closed or after: it is not told that the address is in use.
    let third = soon(passed(address).listen()).await.unwrap();
    assert_eq!(third.origin(), Origin::Bound);
    let _third = Instance::on(third, "third");
    assert_eq!(who(address).await, "third");
    assert_eq!(client.response().await.text(), "second");
}

#[tokio::test]
async fn a_second_socket_goes_along_and_its_server_drains_by_itself() {
    let (address, admin) = (free(), free());
    let listen = passed(address).companion("admin", admin);
    let mut listener = listen.listen().await.unwrap();
    let serve_admin = |listener: &mut Listener, name: &'static str| {
        let socket = listener.take_companion().unwrap().unwrap();
        let socket = Listener::from(TcpListener::from_std(socket).unwrap()).until(listener.handed_over());
        let service =
            service_fn(async move |_: Request<Body>| Ok::<_, Infallible>(Response::new(name.to_owned())));
        tokio::spawn(Server::new(socket).serve(service))
    };
    let first_admin = serve_admin(&mut listener, "first");
    let first = Instance::on(listener, "first");
    let mut idle = Client::connect(admin).await;
    assert_eq!(idle.get("/").await.text(), "first");

    let mut listener = listen.listen().await.unwrap();
    let _second_admin = serve_admin(&mut listener, "second");
    let _second = Instance::on(listener, "second");
    first.is_handed_over().await;
    assert_eq!(soon(first_admin).await.unwrap(), Served::default());
    assert!(idle.closed().await.unwrap().is_empty());
    for _ in 0..20 {
        assert_eq!(who(admin).await, "second");
    }

    // Whoever wants another companion gets the first socket, and binds its own.
    let other = free();
    let mut listener = passed(address).companion("admin", other).listen().await.unwrap();
    assert_eq!(listener.origin(), Origin::Predecessor);
    assert_eq!(listener.take_companion().unwrap().unwrap().local_addr().unwrap(), other);
}

#[tokio::test]
async fn a_companion_whose_address_is_taken_does_not_keep_the_service_from_listening() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut listener = passed(free()).companion("admin", taken.local_addr().unwrap()).listen().await.unwrap();
    assert_eq!(listener.take_companion().unwrap().unwrap_err().kind(), ErrorKind::AddrInUse);
    assert!(listener.take_companion().is_none());
}

#[tokio::test]
async fn with_port_0_or_reuse_port_or_close_nobody_is_asked() {
    let address: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let [one, other] = [passed(address).listen().await.unwrap(), passed(address).listen().await.unwrap()];
    assert_ne!(one.local_addr().unwrap(), other.local_addr().unwrap());

    let address = free();
    let side_by_side = Listen::new(address).reuse_port(true);
    let one = Instance::on(side_by_side.listen().await.unwrap(), "one");
    let other = side_by_side.listen().await.unwrap();
    assert_eq!(other.origin(), Origin::Bound);
    assert!(!one.handle.handed_over().has_happened());

    let address = free();
    let _first = Instance::at(address, "first").await;
    let error = passed(address).hand_over(HandOver::Close).listen().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let error = passed(address).hand_over(HandOver::Systemd).listen().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn in_ipv6_it_is_the_same() {
    let Ok(free) = std::net::TcpListener::bind("[::1]:0") else {
        eprintln!("SKIPPED: this machine has no IPv6");
        return;
    };
    let address = free.local_addr().unwrap();
    drop(free);
    let first = Instance::at(address, "first").await;
    let _second = Instance::at(address, "second").await;
    first.is_handed_over().await;
    assert_eq!(who(address).await, "second");
    drop(StdStream::connect(address).unwrap());
}
