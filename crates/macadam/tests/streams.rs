//! How endless responses and upgraded connections go through a shutdown with every layer of the road around them, behind
//! our server and behind axum's.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    convert::Infallible,
    future::poll_fn,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Extension, Router,
    body::Body,
    extract::State,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
    routing::{get, post},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use h2::{RecvStream, client::SendRequest};
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use hyper_util::rt::TokioIo;
use macadam::{
    Finite, LoadShedHandle, Outcome, Report, RequestContext, Road, Settings, ShutdownHandle, UntilDraining,
};
use macadam_core::Gauges;
use macadam_test::wire::Client;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{sleep, timeout},
};

/// Whatever a test waits for comes within this, or never.
const SOON: Duration = Duration::from_secs(10);
/// A clock of the timeouts that must not be taken for an end, nor an end for it.
const IDLE: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Behind {
    Ours,
    Stock,
}

const BOTH: [Behind; 2] = [Behind::Ours, Behind::Stock];

/// A service on the road, from its start to its report.
struct Place {
    address: SocketAddr,
    shutdown: ShutdownHandle,
    load_shed: LoadShedHandle,
    seen: Seen,
    serving: JoinHandle<Report>,
}

/// The contexts of the requests that came, in their order.
type Seen = Arc<Mutex<Vec<RequestContext>>>;

impl Place {
    async fn open(behind: Behind) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut settings = Settings::default();
        settings.listen = address;
        settings.admin.listen = None;
        settings.telemetry.logs = macadam::settings::Logs::Off;
        settings.timeouts.stream_idle = Some(IDLE);
        settings.shutdown.lame_duck = Duration::ZERO;
        settings.shutdown.drain = Duration::from_secs(4);
        // The reaper would end the whole test process.
        settings.shutdown.budget = Duration::from_secs(3600);
        let road = Road::builder("streams").settings(settings).build().unwrap();
        let (shutdown, load_shed, seen) = (road.shutdown(), road.load_shed(), Seen::default());
        let app = app(&shutdown).layer(Extension(Arc::clone(&seen)));
        let serving = tokio::spawn(async move {
            match behind {
                Behind::Ours => {
                    // The address is free again for as long as nobody else asks for one.
                    drop(listener);
                    road.serve(app).await.unwrap()
                }
                Behind::Stock => road
                    .run(|draining| axum::serve(listener, road.make(app)).with_graceful_shutdown(draining))
                    .await
                    .unwrap(),
            }
        });
        while TcpStream::connect(address).await.is_err() {
            sleep(Duration::from_millis(1)).await;
        }
        Self { address, shutdown, load_shed, seen, serving }
    }

    async fn client(&self, path: &str) -> Client {
        let mut client = Client::connect(self.address).await;
        client.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        client
    }

    async fn http2(&self) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        (requests.ready().await.unwrap(), connection)
    }

    /// How many streams load shedding counts.
    fn streams(&self) -> f64 {
        let mut streams = 0.0;
        self.load_shed.read(&mut |reading| {
            if reading.labels.contains(&("phase", "stream")) {
                streams = reading.value;
            }
        });
        streams
    }

    /// Waits until so many have begun and are waited for.
    async fn until_streams(&self, streams: f64) {
        let all = async {
            while self.streams() < streams {
                sleep(Duration::from_millis(2)).await;
            }
            // Their first events are on their way.
            sleep(Duration::from_millis(50)).await;
        };
        timeout(SOON, all).await.expect("they are streams");
    }

    async fn report(self) -> (Report, Vec<Outcome>) {
        let emptied = async {
            while !self.shutdown.in_flight().is_empty() {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(SOON, emptied).await.expect("the table is empty");
        assert_eq!(self.streams(), 0.0);
        let report = timeout(SOON, self.serving).await.expect("it ends").unwrap();
        (report, self.seen.lock().unwrap().iter().map(RequestContext::outcome).collect())
    }
}

fn app(shutdown: &ShutdownHandle) -> Router {
    let heartbeat = KeepAlive::new().interval(Duration::from_millis(20));
    Router::new()
        .route("/events", get(async || Sse::new(one_event())))
        .route("/events/alive", get(async || Sse::new(one_event()).keep_alive(heartbeat)))
        .route("/events/finite", get(async || (Extension(Finite), Sse::new(three_events()))))
        .route("/grpc", get(async || ([(CONTENT_TYPE, "application/grpc")], lines())))
        .route("/grpc/chat", post(async |said: Body| ([(CONTENT_TYPE, "application/grpc")], said)))
        .route(
            "/lines",
            get(async |State(shutdown): State<ShutdownHandle>| {
                let lines = one_line()
                    .until_draining(&shutdown)
                    .chain(stream::iter([Ok(Bytes::from_static(b"goodbye\n"))]));
                Body::from_stream(lines)
            }),
        )
        .route("/tunnel", get(tunnel))
        .layer(axum::middleware::map_request(
            async |Extension(seen): Extension<Seen>,
                   Extension(context): Extension<RequestContext>,
                   request: Request<Body>| {
                seen.lock().unwrap().push(context);
                request
            },
        ))
        .with_state(shutdown.clone())
}

fn one_event() -> impl Stream<Item = Result<Event, Infallible>> {
    stream::iter([Ok(Event::default().data("one"))]).chain(stream::pending())
}

fn three_events() -> impl Stream<Item = Result<Event, Infallible>> {
    stream::iter(0..3).then(async |n| {
        sleep(Duration::from_millis(100)).await;
        Ok(Event::default().data(n.to_string()))
    })
}

fn one_line() -> impl Stream<Item = Result<Bytes, Infallible>> {
    stream::iter([Ok(Bytes::from_static(b"one\n"))]).chain(stream::pending())
}

fn lines() -> Body {
    Body::from_stream(one_line())
}

/// Says goodbye at its turn, unless its peer has ended it before.
async fn tunnel(State(shutdown): State<ShutdownHandle>, request: Request<Body>) -> Response<Body> {
    let mut connection = shutdown.upgraded(request.extensions().get());
    tokio::spawn(async move {
        let mut io = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        let mut byte = [0];
        tokio::select! {
            _ = io.read(&mut byte) => {}
            () = connection.turn() => {
                io.write_all(b"goodbye").await.unwrap();
                let _ = io.read(&mut byte).await;
            }
        }
    });
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    response.header("upgrade", "test").header("connection", "upgrade").body(Body::empty()).unwrap()
}

#[tokio::test]
async fn event_streams_end_with_their_last_chunk_and_their_permits_come_back() {
    for behind in BOTH {
        let place = Place::open(behind).await;
        let mut silent = place.client("/events").await;
        let mut alive = place.client("/events/alive").await;
        place.until_streams(2.0).await;
        place.shutdown.trigger("the test is over");
        let silent = timeout(SOON, silent.response()).await.expect("it ends");
        assert_eq!(silent.text(), "data: one\n\n", "{behind:?}");
        let alive = timeout(SOON, alive.response()).await.expect("it ends");
        assert!(alive.text().starts_with("data: one\n\n:\n\n") && alive.text().ends_with("\n\n"));
        let (report, outcomes) = place.report().await;
        assert_eq!(outcomes, [Outcome::Finished; 2], "{behind:?}");
        assert_eq!((report.streams_ended(), report.completed(), report.exit_code()), (2, 2, 0), "{report}");
    }
}

#[tokio::test]
async fn what_has_an_end_is_left_to_it_and_what_has_none_can_ask_for_one() {
    for behind in BOTH {
        let place = Place::open(behind).await;
        let mut finite = place.client("/events/finite").await;
        let mut lines = place.client("/lines").await;
        place.until_streams(1.0).await;
        place.shutdown.trigger("the test is over");
        let lines = timeout(SOON, lines.response()).await.expect("it ends");
        assert_eq!(lines.text(), "one\ngoodbye\n");
        let finite = timeout(SOON, finite.response()).await.expect("it ends");
        assert_eq!(finite.text(), "data: 0\n\ndata: 1\n\ndata: 2\n\n");
        let (report, _) = place.report().await;
        assert_eq!((report.streams_ended(), report.exit_code()), (1, 0), "{report}");
    }
}

/// The rest of the answer is that the service is unavailable.
async fn is_unavailable(answer: &mut RecvStream) {
    while let Some(data) = timeout(SOON, answer.data()).await.expect("it ends") {
        assert!(data.expect("it is not reset").is_empty());
    }
    let trailers = timeout(SOON, answer.trailers()).await.unwrap().unwrap().expect("there are trailers");
    assert_eq!(trailers["grpc-status"], "14");
}

#[tokio::test]
async fn a_grpc_stream_ends_with_status_14() {
    for behind in BOTH {
        let place = Place::open(behind).await;
        let (mut requests, connection) = place.http2().await;
        let request =
            Request::get("http://test/grpc").header(CONTENT_TYPE, "application/grpc").body(()).unwrap();
        let (response, _) = requests.send_request(request, true).unwrap();
        let mut body = timeout(SOON, response).await.unwrap().unwrap().into_body();
        assert_eq!(timeout(SOON, body.data()).await.unwrap().unwrap().unwrap(), "one\n");
        place.until_streams(1.0).await;
        place.shutdown.trigger("the test is over");
        is_unavailable(&mut body).await;
        drop((requests, body));
        let (report, outcomes) = place.report().await;
        assert_eq!(outcomes, [Outcome::Finished], "{behind:?}");
        assert_eq!((report.streams_ended(), report.exit_code()), (1, 0), "{report}");
        let _ = connection.await;
    }
}

#[tokio::test]
async fn a_grpc_call_whose_both_sides_are_still_talking_ends_with_status_14() {
    for behind in BOTH {
        let place = Place::open(behind).await;
        let (mut requests, connection) = place.http2().await;
        let request =
            Request::post("http://test/grpc/chat").header(CONTENT_TYPE, "application/grpc").body(()).unwrap();
        let (response, mut said) = requests.send_request(request, false).unwrap();
        said.send_data(Bytes::from_static(b"one"), false).unwrap();
        let mut heard = timeout(SOON, response).await.unwrap().unwrap().into_body();
        assert_eq!(timeout(SOON, heard.data()).await.unwrap().unwrap().unwrap(), "one");
        place.until_streams(1.0).await;
        said.send_data(Bytes::from_static(b"two"), false).unwrap();
        assert_eq!(timeout(SOON, heard.data()).await.unwrap().unwrap().unwrap(), "two");
        place.shutdown.trigger("the test is over");
        is_unavailable(&mut heard).await;
        // The answer is whole, and nobody listens any more.
        let reason = poll_fn(|cx| said.poll_reset(cx));
        assert_eq!(timeout(SOON, reason).await.expect("it is told").unwrap(), h2::Reason::NO_ERROR);
        drop((requests, said, heard));
        let (report, outcomes) = place.report().await;
        assert_eq!(outcomes, [Outcome::Finished], "{behind:?}");
        assert_eq!((report.streams_ended(), report.exit_code()), (1, 0), "{report}");
        let _ = connection.await;
    }
}

#[tokio::test]
async fn the_drain_waits_for_an_upgraded_connection_that_takes_leave() {
    for behind in BOTH {
        let place = Place::open(behind).await;
        let mut client = Client::connect(place.address).await;
        client
            .send("GET /tunnel HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: test\r\n\r\n")
            .await;
        assert_eq!(timeout(SOON, client.response()).await.unwrap().status, 101);
        place.shutdown.trigger("the test is over");
        assert_eq!(timeout(SOON, client.some()).await.expect("it is told").unwrap(), "goodbye");
        sleep(Duration::from_millis(200)).await;
        assert!(!place.serving.is_finished(), "it waits for the answer, {behind:?}");
        client.send("!").await;
        let (report, _) = place.report().await;
        assert_eq!((report.streams_ended(), report.exit_code()), (1, 0), "{report}");
    }
}
