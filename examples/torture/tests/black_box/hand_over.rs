//! A second instance takes the listening sockets of the first: who asks for anything meanwhile is answered.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use macadam_test::wire::Client;
use tokio::{net::TcpListener, task::JoinSet, time::sleep};

use crate::process::{Torture, refused};

/// Two addresses that nobody has, for the service and its admin listener.
async fn addresses() -> [String; 2] {
    let free =
        [TcpListener::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap()];
    free.map(|listener| listener.local_addr().unwrap().to_string())
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
    let addresses = addresses().await;
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
    let addresses = addresses().await;
    let _first = Torture::start(&at(&addresses)).await;
    let exit = refused(&[&*at(&addresses), &[("MACADAM_NAME", "inventory")]].concat()).await;
    assert_eq!(exit.code, Some(1));
    let sentence = format!("cannot listen on {} (`listen`): \"torture\" listens there", addresses[0]);
    assert!(exit.stderr.contains(&sentence), "{}", exit.stderr);
}

#[tokio::test]
async fn where_hand_over_is_close_a_second_instance_finds_the_address_in_use() {
    let addresses = addresses().await;
    let close: &[_] = &[("MACADAM_SERVE_HAND_OVER", "close")];
    let _first = Torture::start(&[&*at(&addresses), close].concat()).await;
    let exit = refused(&at(&addresses)).await;
    assert_eq!(exit.code, Some(1));
    assert!(exit.stderr.contains("another process listens there: stop it"), "{}", exit.stderr);
}
