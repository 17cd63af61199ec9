//! A drain reaches whoever follows the service, each in its own language, when it happens.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use std::{net::SocketAddr, time::Duration};

use axum::{Router, routing::get};
use bytes::Bytes;
use http::Request;
use macadam::{Road, Settings};
use macadam_test::wire::Client;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

/// A busy machine takes its time; that of an idle one is some hundred microseconds.
const SOON: Duration = Duration::from_millis(250);

async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.listen = free_address().await;
    settings.admin.listen = Some(free_address().await);
    settings.health.agent_check = Some(free_address().await);
    settings.health.envoy = true;
    settings.telemetry.logs = macadam::settings::Logs::Off;
    settings.shutdown.lame_duck = Duration::from_secs(2);
    settings.shutdown.lame_duck_min = Duration::from_secs(2);
    // The reaper would end the whole test process.
    settings.shutdown.budget = Duration::from_secs(3600);
    settings
}

/// Asks until it is told, and says when that was.
fn follow<F, C, A>(client: C, ask: A) -> JoinHandle<Instant>
where
    C: Send + 'static,
    A: Fn(C) -> F + Send + 'static,
    F: Future<Output = (C, bool)> + Send,
{
    tokio::spawn(async move {
        let mut client = client;
        loop {
            let told;
            (client, told) = ask(client).await;
            if told {
                return Instant::now();
            }
            sleep(Duration::from_millis(1)).await;
        }
    })
}

/// Waits with one probe, for the end of the state that another one names.
async fn long_poll(address: SocketAddr) -> JoinHandle<Instant> {
    let mut client = Client::connect(address).await;
    let known = client.get("/readyz").await.header("etag").unwrap().to_owned();
    tokio::spawn(async move {
        let ask =
            format!("GET /readyz HTTP/1.1\r\nhost: t\r\nprefer: wait=60\r\nif-none-match: {known}\r\n\r\n");
        client.send(ask).await;
        assert_eq!(client.response().await.status, 503);
        Instant::now()
    })
}

/// The states that a stream of gRPC tells, and when.
async fn watch(address: SocketAddr) -> (h2::RecvStream, JoinHandle<()>) {
    let stream = TcpStream::connect(address).await.unwrap();
    let (requests, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(async move { drop(connection.await) });
    let request = Request::post(format!("http://{address}/grpc.health.v1.Health/Watch"))
        .header("content-type", "application/grpc");
    let mut requests = requests.ready().await.unwrap();
    let (response, mut body) = requests.send_request(request.body(()).unwrap(), false).unwrap();
    body.send_data(Bytes::from_static(b"\0\0\0\0\x12\x0a\x10orders.v1.Orders"), true).unwrap();
    (response.await.unwrap().into_body(), connection)
}

/// The last byte of a message is the state.
async fn state(watch: &mut h2::RecvStream) -> u8 {
    let data = watch.data().await.unwrap().unwrap();
    watch.flow_control().release_capacity(data.len()).unwrap();
    data[data.len() - 1]
}

#[tokio::test]
async fn a_drain_is_told_to_every_consumer_when_it_happens() {
    let settings = settings().await;
    let (public, admin, agent) =
        (settings.listen, settings.admin.listen.unwrap(), settings.health.agent_check.unwrap());
    let road = Road::builder("orders").settings(settings).grpc_health(["orders.v1.Orders"]).build().unwrap();
    let handle = road.shutdown();
    let app = Router::new().route("/", get(async || "hello"));
    let serving = tokio::spawn(async move { road.serve(app).await.unwrap() });
    let listens = async {
        for address in [public, admin, agent] {
            while TcpStream::connect(address).await.is_err() {
                sleep(Duration::from_millis(1)).await;
            }
        }
    };
    timeout(Duration::from_secs(10), listens).await.expect("it listens");

    let (mut watched, _connection) = watch(public).await;
    assert_eq!(state(&mut watched).await, 1, "SERVING");
    let watched = tokio::spawn(async move {
        assert_eq!(state(&mut watched).await, 2, "NOT_SERVING");
        (Instant::now(), watched)
    });
    let probe = |client: Client| {
        follow(client, async |mut client| {
            let told = client.get("/readyz").await.status == 503;
            (client, told)
        })
    };
    let header = follow(Client::connect(public).await, async |mut client| {
        let told = client.get("/").await.header("x-envoy-immediate-health-check-fail") == Some("true");
        (client, told)
    });
    let agent = follow(agent, async |agent| {
        let mut line = String::new();
        let mut stream = TcpStream::connect(agent).await.unwrap();
        stream.read_to_string(&mut line).await.unwrap();
        (agent, line == "up drain\n")
    });
    let consumers = [
        ("a probe of the service", probe(Client::connect(public).await)),
        ("a probe of the admin listener", probe(Client::connect(admin).await)),
        ("a long poll of the service", long_poll(public).await),
        ("a long poll of the admin listener", long_poll(admin).await),
        ("Envoy, by a header", header),
        ("HAProxy, by its agent", agent),
    ];
    sleep(Duration::from_millis(20)).await;
    assert!(consumers.iter().all(|(_, told)| !told.is_finished()), "nobody has heard anything");

    let begin = Instant::now();
    handle.trigger("the test is over");
    for (consumer, told) in consumers {
        let took = told.await.unwrap() - begin;
        assert!(took < SOON, "{consumer} was told after {took:?}");
    }
    let (told, mut watched) = watched.await.unwrap();
    assert!(told - begin < SOON, "a watch over gRPC was told after {:?}", told - begin);

    // It ends with the drain, which it would keep from its end otherwise.
    let report = timeout(Duration::from_secs(20), serving).await.unwrap().unwrap();
    assert_eq!(report.exit_code(), 0, "{report}");
    assert!(watched.data().await.is_none());
    let trailers = watched.trailers().await.unwrap().unwrap();
    assert_eq!(trailers["grpc-status"], "14");
}
