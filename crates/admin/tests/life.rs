//! Bind, answer, stop.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use macadam_admin::{Admin, AdminError};
use macadam_core::{Gauges, Phase, PhaseOwner, Reading};
use macadam_health::Health;
use macadam_test::wire::Client;
use tokio::time::{Instant, timeout};

fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

fn health() -> Health {
    Health::builder().build().expect("no checks, no mistakes")
}

#[test]
fn a_port_in_use_is_named_at_bind_with_the_cure() {
    let taken = TcpListener::bind(anywhere()).unwrap();
    let address = taken.local_addr().unwrap();
    let error = Admin::bind(address, health()).unwrap_err();
    assert!(matches!(&error, AdminError::Bind { address: named, .. } if *named == address));
    let said = error.to_string();
    assert!(said.contains(&address.to_string()), "{said}");
    assert!(said.ends_with("stop what listens there, or give the admin listener another address"), "{said}");
}

#[test]
fn an_address_of_another_machine_is_named_at_bind_with_the_cure() {
    // TEST-NET-1 is nobody's.
    let said = Admin::bind("192.0.2.1:0".parse().unwrap(), health()).unwrap_err().to_string();
    assert!(said.contains("192.0.2.1:0") && said.ends_with("such as 127.0.0.1"), "{said}");
}

#[tokio::test]
async fn a_listener_that_is_bound_already_is_taken_over() {
    let listener = TcpListener::bind(anywhere()).unwrap();
    let address = listener.local_addr().unwrap();
    let admin = Admin::on(listener, health()).unwrap();
    assert!(admin.is_bound());
    assert_eq!(admin.local_addr(), address);
    let admin = admin.spawn().unwrap();
    assert_eq!(admin.local_addr(), address);
    assert_eq!(Client::connect(address).await.get("/livez").await.text(), "ok");
}

#[tokio::test]
async fn where_another_process_has_the_address_it_answers_there_once_it_is_free() {
    let taken = TcpListener::bind(anywhere()).unwrap();
    let address = taken.local_addr().unwrap();
    let admin = Admin::when_free(address, health());
    assert!(!admin.is_bound());
    let admin = admin.spawn().unwrap();
    assert_eq!(admin.local_addr(), address);
    drop(taken);
    let answers = async {
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(10), answers).await.unwrap();
    assert_eq!(Client::connect(address).await.get("/livez").await.text(), "ok");
    admin.stop();
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn while_it_waits_for_its_address_it_stops_when_it_is_told() {
    let taken = TcpListener::bind(anywhere()).unwrap();
    let admin = Admin::when_free(taken.local_addr().unwrap(), health()).spawn().unwrap();
    let from = Instant::now();
    admin.stop();
    assert!(from.elapsed() < Duration::from_millis(500));
}

#[tokio::test]
async fn it_stops_when_it_is_told_and_the_port_is_free_then() {
    let admin = Admin::bind(anywhere(), health()).unwrap().spawn().unwrap();
    let address = admin.local_addr();
    let mut idle = Client::connect(address).await;
    assert_eq!(idle.get("/livez").await.status, 200);
    admin.stop();
    assert!(TcpStream::connect(address).is_err());
    assert!(idle.try_response().await.is_ok_and(|reply| reply.is_none()), "an idle connection is closed");
    TcpListener::bind(address).unwrap();
}

#[test]
fn it_stops_when_its_handle_is_dropped_and_needs_no_runtime_of_the_caller_s() {
    let admin = Admin::bind(anywhere(), health()).unwrap().spawn().unwrap();
    let address = admin.local_addr();
    TcpStream::connect(address).unwrap();
    drop(admin);
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn it_answers_in_every_phase() {
    let owner = PhaseOwner::new();
    let health = Health::builder().phase(owner.watch()).build().unwrap();
    let admin = Admin::bind(anywhere(), health).unwrap().phase(owner.watch()).spawn().unwrap();
    let mut kept = Client::connect(admin.local_addr()).await;
    for phase in [
        Phase::Starting,
        Phase::Serving,
        Phase::LameDuck,
        Phase::Draining,
        Phase::Closing,
        Phase::Cleanup,
        Phase::Stopped,
    ] {
        owner.advance(phase, None);
        let ready = if phase == Phase::Serving { 200 } else { 503 };
        let mut fresh = Client::connect(admin.local_addr()).await;
        for client in [&mut kept, &mut fresh] {
            assert_eq!(client.get("/livez").await.status, 200, "{phase}");
            assert_eq!(client.get("/readyz").await.status, ready, "{phase}");
            assert!(client.get("/status").await.text().contains(&format!(r#""phase": "{phase}""#)));
        }
    }
}

#[tokio::test]
async fn silent_connections_do_not_keep_a_probe_out() {
    let admin = Admin::bind(anywhere(), health()).unwrap().spawn().unwrap();
    let silent: Vec<_> = (0..200).map(|_| TcpStream::connect(admin.local_addr()).unwrap()).collect();
    // Sooner than the 5 s after which they would be closed anyway.
    let probe = async { Client::connect(admin.local_addr()).await.get("/livez").await };
    assert_eq!(timeout(Duration::from_secs(4), probe).await.unwrap().status, 200);
    drop(silent);
}

/// Hangs until what it was made with is dropped.
struct Hangs {
    entered: mpsc::SyncSender<()>,
    released: Mutex<mpsc::Receiver<()>>,
}

impl Gauges for Hangs {
    fn read(&self, _: &mut dyn FnMut(Reading<'_>)) {
        self.entered.send(()).expect("the test waits for it");
        let released = self.released.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = released.recv();
    }
}

#[tokio::test]
async fn a_handle_that_hangs_when_it_is_read_keeps_neither_probes_waiting_nor_the_process_from_its_exit() {
    let (entered, enters) = mpsc::sync_channel(1);
    let (release, released) = mpsc::sync_channel(0);
    let hangs = Arc::new(Hangs { entered, released: Mutex::new(released) });
    let admin = Admin::bind(anywhere(), health()).unwrap().gauges(hangs).spawn().unwrap();
    enters.recv().unwrap();
    let mut operator = Client::connect(admin.local_addr()).await;
    operator.send("GET /status HTTP/1.1\r\nhost: test\r\n\r\n").await;

    let asked = Instant::now();
    assert_eq!(Client::connect(admin.local_addr()).await.get("/readyz").await.status, 200);
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    let reply = operator.response().await;
    assert_eq!((reply.status.as_u16(), reply.text()), (503, "something that the status reads hangs\n"));

    let told = Instant::now();
    admin.stop();
    assert!(told.elapsed() < Duration::from_millis(500), "{:?}", told.elapsed());
    drop(release);
}

#[test]
fn a_handle_can_be_shared_between_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<macadam_admin::AdminHandle>();
    is_shared::<Admin>();
}
