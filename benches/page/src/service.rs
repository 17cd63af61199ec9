//! The service that is looked at, and its clients.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use macadam::{Check, Road, Settings, settings::Logs};
use macadam_test::wire::Client;
use tokio::{task::JoinSet, time::sleep};

use crate::Result;

/// A road with its clients: calm, until it is overloaded.
pub(crate) struct Service {
    admin: SocketAddr,
    overloaded: Arc<AtomicBool>,
    _tasks: JoinSet<()>,
}

impl Service {
    pub(crate) async fn start() -> Result<Self> {
        let [listen, admin] = free_addresses()?;
        let mut settings = Settings::default();
        settings.listen = listen;
        settings.admin.listen = Some(admin);
        settings.telemetry.logs = Logs::Off;
        settings.load_shed.max_in_flight = 16;
        // Others may be at work on the machine: what is shed is to be shed for the crowd.
        settings.load_shed.target_lag = Duration::from_millis(250);
        settings.load_shed.queue_wait = Duration::from_millis(20);
        let overloaded = Arc::new(AtomicBool::new(false));
        let search = {
            let overloaded = Arc::clone(&overloaded);
            move || {
                let fails = overloaded.load(Relaxed);
                async move { if fails { Err("connection refused (search-1:9200)") } else { Ok(()) } }
            }
        };
        let road = Road::builder("orders")
            .version("1.4.2")
            .settings(settings)
            .check(Check::new("postgres", async || Ok::<_, &str>(())).interval(Duration::from_millis(200)))
            .check(Check::new("search", search).interval(Duration::from_millis(200)))
            .build()?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // It ends with this process.
            let _ = road.serve(app()).await;
        });
        while tokio::net::TcpStream::connect(admin).await.is_err()
            || tokio::net::TcpStream::connect(listen).await.is_err()
        {
            sleep(Duration::from_millis(20)).await;
        }
        (0..CALM).for_each(|_| drop(tasks.spawn(client(listen, Arc::clone(&overloaded), true))));
        (0..CROWD).for_each(|_| drop(tasks.spawn(client(listen, Arc::clone(&overloaded), false))));
        Ok(Self { admin, overloaded, _tasks: tasks })
    }

    pub(crate) fn page(&self) -> String {
        format!("http://{}/", self.admin)
    }

    /// From here on a crowd comes, and a check fails.
    pub(crate) fn overload(&self) {
        self.overloaded.store(true, Relaxed);
    }
}

fn app() -> Router {
    Router::new()
        .route("/orders/{id}", get(async || sleep(Duration::from_millis(25)).await))
        .route("/reports/{month}", get(async || sleep(Duration::from_millis(1_300)).await))
        .route("/invoices/{id}", get(async || StatusCode::INTERNAL_SERVER_ERROR))
}

/// Asks again and again: at its leisure, or in the crowd.
async fn client(address: SocketAddr, overloaded: Arc<AtomicBool>, calm: bool) {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let mut connection = Client::connect(address).await;
    loop {
        if !calm && !overloaded.load(Relaxed) {
            sleep(Duration::from_millis(10)).await;
            continue;
        }
        let number = ASKED.fetch_add(1, Relaxed);
        let path = match number % 200 {
            40 => "/reports/2026-11".to_owned(),
            90 => format!("/invoices/{number}"),
            _ => format!("/orders/{number}"),
        };
        let request = format!("GET {path} HTTP/1.1\r\nhost: orders\r\n\r\n");
        if connection.try_send(request).await.is_err()
            || !matches!(connection.try_response().await, Ok(Some(_)))
        {
            connection = Client::connect(address).await;
        }
        sleep(Duration::from_millis(if calm { 60 } else { 5 })).await;
    }
}

/// Two ports that nobody holds: both are taken before either is let go, so that they differ.
fn free_addresses() -> Result<[SocketAddr; 2]> {
    let taken = [TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?, TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?];
    Ok([taken[0].local_addr()?, taken[1].local_addr()?])
}

const CALM: usize = 4;
const CROWD: usize = 100;
