//! A second instance takes the listening sockets of the first: who asks for anything meanwhile is answered.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    net::{SocketAddr, TcpListener as StdListener},
    os::fd::OwnedFd,
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use macadam_test::wire::Client;
use rustix::process::Signal;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::process::{SERVICE, Torture, command, refused};

/// Two addresses, for the service and its admin listener, that nobody has, and that no client gets for its end: those ports
/// are higher.
fn addresses() -> [String; 2] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let from = u16::try_from(std::process::id() % 1_000).unwrap() * 20;
    let free = || loop {
        let port = 10_000 + (from + NEXT.fetch_add(1, SeqCst)) % 20_000;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return format!("127.0.0.1:{port}");
        }
    };
    [free(), free()]
}

fn at([public, admin]: &[String; 2]) -> Vec<(&'static str, &str)> {
    vec![
        ("MACADAM_LISTEN", public),
        ("MACADAM_ADMIN_LISTEN", admin),
        ("MACADAM_SHUTDOWN_LAME_DUCK", "300ms"),
        // A machine that is busy with other tests is none of this one's business.
        ("MACADAM_LOAD_SHED_MODE", "off"),
    ]
}

#[derive(Default)]
struct Tally {
    over: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl Tally {
    fn count(&self, whole: bool) {
        if whole { &self.answered } else { &self.failed }.fetch_add(1, SeqCst);
    }
}

/// A client that retries nothing. It leaves a connection when it is asked to, and with `close` after each answer.
async fn client(address: SocketAddr, close: bool, path: &'static str, tally: Arc<Tally>) {
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: t\r\n{}\r\n", if close { "connection: close\r\n" } else { "" });
    let mut connection = None;
    while !tally.over.load(SeqCst) {
        let mut client = match connection.take() {
            Some(client) => client,
            None => match tokio::net::TcpStream::connect(address).await {
                Ok(_) => Client::connect(address).await,
                Err(_) => {
                    tally.count(false);
                    continue;
                }
            },
        };
        let sent = client.try_send(&request).await.is_ok();
        let reply = if sent { client.try_response().await.ok().flatten() } else { None };
        tally.count(reply.as_ref().is_some_and(|reply| reply.status == 200));
        if reply.is_some_and(|reply| reply.header("connection") != Some("close")) {
            connection = Some(client);
        }
    }
}

#[tokio::test]
async fn a_second_instance_takes_over_under_requests_and_none_fails() {
    let addresses = addresses();
    let mut first = Torture::start(&at(&addresses)).await;
    let (public, admin) = (first.public, first.admin);
    let (tally, probes) = (Arc::<Tally>::default(), Arc::<Tally>::default());
    let mut clients = JoinSet::new();
    for number in 0..8 {
        let path = if number < 4 { "/context" } else { "/io?ms=20" };
        clients.spawn(client(public, number % 2 == 0, path, Arc::clone(&tally)));
    }
    clients.spawn(client(admin, true, "/readyz", Arc::clone(&probes)));
    for _ in 0..5 {
        sleep(Duration::from_millis(100)).await;
        let second = Torture::start(&at(&addresses)).await;
        // Nobody told the first one to leave.
        let exit = first.exit(Duration::from_secs(10)).await;
        assert_eq!(exit.code, Some(0), "{}\n{}", exit.stdout, exit.stderr);
        assert!(exit.stdout.contains("handed over"), "{}", exit.stdout);
        first = second;
    }
    for tally in [&tally, &probes] {
        tally.over.store(true, SeqCst);
    }
    clients.join_all().await;
    let [answered, asked] =
        [&tally, &probes].map(|tally| (tally.answered.load(SeqCst), tally.failed.load(SeqCst)));
    println!("requests {answered:?}, probes {asked:?} (answered, failed)");
    assert_eq!((answered.1, asked.1), (0, 0));
    assert!(answered.0 > 100 && asked.0 > 10);
}

#[tokio::test]
async fn another_service_gets_no_listener_and_says_whose_it_is() {
    let addresses = addresses();
    let _first = Torture::start(&at(&addresses)).await;
    let exit = refused(&[&*at(&addresses), &[("MACADAM_NAME", "inventory")]].concat()).await;
    assert_eq!(exit.code, Some(1));
    let sentence = format!("cannot listen on {} (`listen`): \"torture\" listens there", addresses[0]);
    assert!(exit.stderr.contains(&sentence), "{}", exit.stderr);
}

#[tokio::test]
async fn where_hand_over_is_close_a_second_instance_finds_the_address_in_use() {
    let addresses = addresses();
    let close: &[_] = &[("MACADAM_SERVE_HAND_OVER", "close")];
    let _first = Torture::start(&[&*at(&addresses), close].concat()).await;
    let exit = refused(&at(&addresses)).await;
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("another process listens there: stop it"), "{}", exit.stderr);
}

/// The service as systemd starts it: with sockets that somebody else has made, and variables that say so.
fn activated(public: &StdListener, admin: &StdListener) -> Command {
    let script = format!(
        "exec 3<&0 4<&2 </dev/null 2>&1; LISTEN_FDS=2 LISTEN_PID=$$ LISTEN_FDNAMES=torture.socket:admin exec '{SERVICE}'"
    );
    let mut command = command("sh", &[("MACADAM_SHUTDOWN_LAME_DUCK", "100ms")]);
    let passed = |socket: &StdListener| Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
    command.args(["-c", &script]).stdin(passed(public)).stderr(passed(admin));
    command
}

#[tokio::test]
async fn the_sockets_of_systemd_are_served_and_keep_who_comes_between_two_instances() {
    let [public, admin] = addresses().map(|address| StdListener::bind(address).unwrap());
    let first = Torture::run(activated(&public, &admin)).await;
    assert_eq!((first.public, first.admin), (public.local_addr().unwrap(), admin.local_addr().unwrap()));
    assert_eq!(Client::connect(first.public).await.get("/context").await.status, 200);
    assert_eq!(Client::connect(first.admin).await.get("/readyz").await.status, 200);
    first.signal(Signal::TERM);
    let exit = first.exit(Duration::from_secs(10)).await;
    assert_eq!(exit.code, Some(0), "{}", exit.stdout);
    assert!(exit.stdout.contains("listening on the socket of systemd"), "{}", exit.stdout);

    let mut early = Client::connect(public.local_addr().unwrap()).await;
    early.send("GET /context HTTP/1.1\r\nhost: t\r\n\r\n").await;
    let second = Torture::run(activated(&public, &admin)).await;
    assert_eq!(early.response().await.status, 200);
    assert_eq!(Client::connect(second.admin).await.get("/readyz").await.status, 200);
}

#[tokio::test]
async fn sockets_that_are_for_another_process_are_left_alone() {
    let addresses = addresses();
    let foreign = [("LISTEN_FDS", "1"), ("LISTEN_PID", "1")];
    let torture = Torture::start(&[&*at(&addresses), &foreign].concat()).await;
    assert_eq!(torture.public.to_string(), addresses[0]);
    drop(torture);
    let systemd = [("MACADAM_SERVE_HAND_OVER", "systemd")];
    let exit = refused(&[&*at(&addresses), &foreign, &systemd].concat()).await;
    assert_eq!(exit.code, Some(1));
    let sentence = "systemd has made no socket for this process (LISTEN_FDS); start it by its .socket unit, or set \
                    MACADAM_SERVE_HAND_OVER to `auto`";
    assert!(exit.stderr.contains(sentence), "{}", exit.stderr);
}

#[tokio::test]
async fn who_finds_the_admin_address_taken_names_the_cure_serves_and_has_it_as_soon_as_it_is_free() {
    let [public, admin] = addresses();
    let taken = StdListener::bind(&admin).unwrap();
    let mut service = command(SERVICE, &at(&[public.clone(), admin.clone()])).spawn().unwrap();
    let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
    let mut said_until = async |words: &str| {
        let mut said = String::new();
        while !said.contains(words) {
            let line = timeout(Duration::from_secs(10), lines.next_line()).await.expect("it says so in time");
            said += &line.unwrap().expect("it runs");
        }
        said
    };
    // The settings are told last of what a person is told at the start.
    let said = said_until("setting admin.listen").await;
    let sentence = format!("cannot listen on {admin} (`admin.listen`): ");
    let (_, warning) = said.split_once(&sentence).expect(&said);
    assert!(warning.contains("stop it, or set MACADAM_ADMIN_LISTEN to a free address; meanwhile"), "{said}");
    assert!(!said.contains("admin on"), "it is not there: {said}");
    let public: SocketAddr = public.parse().unwrap();
    assert_eq!(Client::connect(public).await.get("/context").await.status, 200);
    drop(taken);
    said_until("the admin listener has its address").await;
    let admin: SocketAddr = admin.parse().unwrap();
    assert_eq!(Client::connect(admin).await.get("/readyz").await.status, 200);
    service.kill().await.unwrap();
}
