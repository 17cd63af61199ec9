//! What becomes of a response that is out of time: on the wire, with every layer of the road, behind our server and behind
//! axum's. Sockets need real time, so the limits are short and waits are for events.

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Extension, Router,
    body::Body,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
    routing::{any, get, post},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use h2::{Reason, RecvStream, client::SendRequest, ext::Protocol};
use http::{HeaderMap, Method, Request, Response, StatusCode, header::CONTENT_TYPE};
use hyper_util::rt::TokioIo;
use macadam::{RequestContext, Road, Settings, ShutdownHandle};
use macadam_core::Outcome;
use macadam_serve::{Listen, Server};
use macadam_test::{ScriptedBody, Step, wire::Client};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

const LIMIT: Duration = Duration::from_millis(300);
/// Whatever a test waits for comes within this, or never.
const SOON: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Behind {
    Ours,
    Stock,
}

const BOTH: [Behind; 2] = [Behind::Ours, Behind::Stock];

/// A service on the road.
struct Place {
    address: SocketAddr,
    shutdown: ShutdownHandle,
    seen: Seen,
    serving: JoinHandle<()>,
}

/// The contexts of the requests that came, in their order.
type Seen = Arc<Mutex<Vec<RequestContext>>>;

impl Drop for Place {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Place {
    async fn open(behind: Behind) -> Self {
        Self::with(behind, |_| ()).await
    }

    async fn with(behind: Behind, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        settings.timeouts.request = LIMIT;
        change(&mut settings);
        let road = Road::builder("bodies").settings(settings).build().unwrap();
        let seen = Seen::default();
        let app = app().layer(Extension(Arc::clone(&seen)));
        let shutdown = road.shutdown();
        let (address, serving) = match behind {
            Behind::Ours => {
                let listener = Listen::new("127.0.0.1:0".parse().unwrap()).bind().unwrap();
                let address = listener.local_addr().unwrap();
                let server = Server::new(listener).serve(road.wrap(app));
                (
                    address,
                    tokio::spawn(async move {
                        server.await;
                    }),
                )
            }
            Behind::Stock => {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let service = road.make(app);
                (address, tokio::spawn(async move { axum::serve(listener, service).await.unwrap() }))
            }
        };
        Self { address, shutdown, seen, serving }
    }

    /// Sends a GET, and returns all that comes until the server closes.
    async fn raw(&self, version: &str, path: &str) -> io::Result<Bytes> {
        let mut client = Client::connect(self.address).await;
        client.send(format!("GET {path} {version}\r\nhost: test\r\n\r\n")).await;
        timeout(SOON, client.closed()).await.expect("the server closes")
    }

    async fn h2(&self) -> SendRequest<Bytes> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (requests, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        requests.ready().await.unwrap()
    }

    /// Waits until nothing is in flight, and says how each request ended.
    async fn outcomes(&self) -> Vec<Outcome> {
        let settled = async {
            while !self.shutdown.in_flight().is_empty() {
                sleep(Duration::from_millis(2)).await;
            }
        };
        timeout(SOON, settled).await.expect("every gauge goes back to zero");
        self.seen.lock().unwrap().iter().map(RequestContext::outcome).collect()
    }
}

fn app() -> Router {
    Router::new()
        .route("/stall", get(async || stalling()))
        .route("/never", get(async || std::future::pending::<()>().await))
        .route("/grpc", any(async || ([(CONTENT_TYPE, "application/grpc")], stalling())))
        .route(
            "/grpc/inherited",
            any(async |Extension(context): Extension<RequestContext>| {
                // As a layer does that reads a caller's deadline.
                context.inherit_deadline(context.arrival() + LIMIT);
                ([(CONTENT_TYPE, "application/grpc")], stalling())
            }),
        )
        .route(
            "/endless",
            get(async || Body::from_stream(stream::repeat_with(|| Ok::<_, Infallible>(CHUNK)))),
        )
        .route("/sse", get(async || Sse::new(events(Duration::from_millis(100)))))
        .route("/sse/silent", get(async || Sse::new(stream::pending::<Result<Event, Infallible>>())))
        .route("/sse/alive", {
            let heartbeat = KeepAlive::new().interval(Duration::from_millis(50));
            get(async || Sse::new(stream::pending::<Result<Event, Infallible>>()).keep_alive(heartbeat))
        })
        .route("/known", get(async || ([("content-length", "6")], stalling())))
        .route("/bytes", get(async || "hello"))
        .route("/empty", get(async || ()))
        .route("/no-content", get(async || StatusCode::NO_CONTENT))
        .route("/not-modified", get(async || StatusCode::NOT_MODIFIED))
        .route("/trailers", any(async || Body::new(ScriptedBody::new([Step::data("one"), last()]))))
        .route("/tunnel", any(tunnel))
        .route("/upload", post(async |body: Bytes| body.len().to_string()))
        .layer(axum::middleware::map_request(
            async |Extension(seen): Extension<Seen>,
                   Extension(context): Extension<RequestContext>,
                   request: Request<Body>| {
                seen.lock().unwrap().push(context);
                request
            },
        ))
}

const CHUNK: Bytes = Bytes::from_static(&[b'x'; 1024]);

/// A frame, and then nothing.
fn stalling() -> Body {
    Body::new(ScriptedBody::new([Step::data("one"), Step::pending()]))
}

fn last() -> Step {
    Step::trailers(HeaderMap::from_iter([("x-last".parse().unwrap(), "two".parse().unwrap())]))
}

/// Ten events.
fn events(every: Duration) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::iter(0..10).then(move |n| async move {
        sleep(every).await;
        Ok(Event::default().data(n.to_string()))
    })
}

/// Echoes what comes after the upgrade.
async fn tunnel(request: Request<Body>) -> Response<Body> {
    let status = match *request.method() {
        Method::CONNECT => StatusCode::OK,
        _ => StatusCode::SWITCHING_PROTOCOLS,
    };
    tokio::spawn(async move {
        let mut io = TokioIo::new(hyper::upgrade::on(request).await.unwrap());
        let mut bytes = [0; 5];
        while io.read_exact(&mut bytes).await.is_ok() {
            io.write_all(&bytes).await.unwrap();
        }
    });
    let response = Response::builder().status(status);
    let response = match status {
        StatusCode::OK => response,
        _ => response.header("upgrade", "websocket").header("connection", "upgrade"),
    };
    response.body(Body::empty()).unwrap()
}

/// Sends a request by HTTP/2 and returns its response's body.
async fn send(requests: &mut SendRequest<Bytes>, path: &str) -> RecvStream {
    let uri = format!("http://test{path}");
    let (response, _) = requests.send_request(Request::get(uri).body(()).unwrap(), true).unwrap();
    timeout(SOON, response).await.unwrap().unwrap().into_body()
}

/// Reads it to its end; what came, and with what it was reset.
async fn read(body: &mut RecvStream) -> (Vec<u8>, Option<Reason>) {
    let mut read = Vec::new();
    while let Some(data) = timeout(SOON, body.data()).await.expect("it ends") {
        match data {
            Ok(data) => {
                body.flow_control().release_capacity(data.len()).unwrap();
                read.extend_from_slice(&data);
            }
            Err(error) => return (read, error.reason()),
        }
    }
    (read, None)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into()
}

#[tokio::test]
async fn in_http1_a_body_that_stalls_is_aborted_without_its_last_chunk() {
    for behind in BOTH {
        let place = Place::open(behind).await;
        let start = Instant::now();
        let answer = text(&place.raw("HTTP/1.1", "/stall").await.unwrap());
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("3\r\none\r\n"), "{answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "{answer}");
        assert!(start.elapsed() >= LIMIT);
        assert_eq!(place.outcomes().await, [Outcome::TimedOut]);
    }
}

#[tokio::test]
async fn an_http10_answer_is_cut_by_a_reset_or_it_would_look_whole() {
    let place = Place::open(Behind::Ours).await;
    assert_eq!(place.raw("HTTP/1.0", "/stall").await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    // The control: hyper's own close is what every whole answer ends with.
    let place = Place::open(Behind::Stock).await;
    assert!(place.raw("HTTP/1.0", "/stall").await.unwrap().ends_with(b"one"));
}

#[tokio::test]
async fn in_http2_the_stream_is_reset_with_cancel_and_its_siblings_go_on() {
    for (behind, reason) in [(Behind::Ours, Reason::CANCEL), (Behind::Stock, Reason::INTERNAL_ERROR)] {
        let place = Place::open(behind).await;
        let mut requests = place.h2().await;
        let mut sibling = send(&mut requests, "/sse").await;
        let mut stalling = send(&mut requests, "/stall").await;
        assert_eq!(read(&mut stalling).await, (b"one".to_vec(), Some(reason)));
        let (events, ended) = read(&mut sibling).await;
        assert_eq!((text(&events).matches("data:").count(), ended), (10, None));
        // And the connection takes new ones.
        assert_eq!(read(&mut send(&mut requests, "/bytes").await).await, (b"hello".to_vec(), None));
        assert_eq!(place.outcomes().await, [Outcome::Finished, Outcome::TimedOut, Outcome::Finished]);
    }
}

#[tokio::test]
async fn in_http2_a_504_is_the_answer_of_its_stream_alone() {
    for behind in BOTH {
        let place = Place::open(behind).await;
        let mut requests = place.h2().await;
        let mut sibling = send(&mut requests, "/sse").await;
        let never = Request::get("http://test/never").body(()).unwrap();
        let (answer, _) = requests.send_request(never, true).unwrap();
        assert_eq!(timeout(SOON, answer).await.unwrap().unwrap().status(), 504);
        let (events, ended) = read(&mut sibling).await;
        assert_eq!((text(&events).matches("data:").count(), ended), (10, None));
        assert_eq!(read(&mut send(&mut requests, "/bytes").await).await, (b"hello".to_vec(), None));
    }
}

#[tokio::test]
async fn a_grpc_response_that_is_out_of_time_ends_with_status_4() {
    for behind in BOTH {
        let place = Place::with(behind, |settings| settings.timeouts.stream_idle = Some(LIMIT)).await;
        let mut requests = place.h2().await;
        for path in ["/grpc/inherited", "/grpc"] {
            let mut body = send(&mut requests, path).await;
            assert_eq!(read(&mut body).await, (b"one".to_vec(), None));
            let trailers = body.trailers().await.unwrap().unwrap();
            assert_eq!(trailers["grpc-status"], "4");
            assert!(!trailers["grpc-message"].is_empty());
        }
        assert_eq!(place.outcomes().await, [Outcome::TimedOut, Outcome::TimedOut]);
    }
}

#[tokio::test]
async fn a_body_that_is_always_ready_and_never_ends_is_stopped_by_the_deadline() {
    for behind in BOTH {
        let place = Place::open(behind).await;
        let start = Instant::now();
        let answer = place.raw("HTTP/1.1", "/endless").await.unwrap();
        assert!(answer.len() > 32 * 1024 && !answer.ends_with(b"0\r\n\r\n"));
        let mut requests = place.h2().await;
        assert!(read(&mut send(&mut requests, "/endless").await).await.1.is_some());
        assert!(start.elapsed() >= 2 * LIMIT);
        assert_eq!(place.outcomes().await, [Outcome::TimedOut, Outcome::TimedOut]);
    }
}

#[tokio::test]
async fn an_event_stream_goes_on_for_longer_than_the_timeout() {
    for behind in BOTH {
        let place = Place::open(behind).await;
        let mut client = Client::connect(place.address).await;
        let start = Instant::now();
        let reply = timeout(SOON, client.get("/sse")).await.unwrap();
        assert_eq!(reply.text().matches("data:").count(), 10);
        assert!(start.elapsed() >= 3 * LIMIT);
        assert_eq!(place.outcomes().await, [Outcome::Finished]);
    }
}

#[tokio::test]
async fn a_silent_event_stream_is_cut_where_that_is_asked_for_and_one_with_a_heartbeat_is_not() {
    for behind in BOTH {
        let place = Place::with(behind, |settings| settings.timeouts.stream_idle = Some(LIMIT)).await;
        assert!(!place.raw("HTTP/1.1", "/sse/silent").await.unwrap().ends_with(b"0\r\n\r\n"));
        assert_eq!(place.outcomes().await, [Outcome::TimedOut]);
        let mut requests = place.h2().await;
        let mut alive = send(&mut requests, "/sse/alive").await;
        assert!(timeout(3 * LIMIT, read(&mut alive)).await.is_err());
    }
}

#[tokio::test]
async fn what_a_client_says_of_itself_does_not_lengthen_an_ordinary_route() {
    for behind in BOTH {
        let place = Place::open(behind).await;
        for said in [
            "accept: text/event-stream",
            "connection: upgrade\r\nupgrade: websocket",
            "content-type: application/grpc\r\nte: trailers",
        ] {
            let mut client = Client::connect(place.address).await;
            client.send(format!("GET /stall HTTP/1.1\r\nhost: test\r\n{said}\r\n\r\n")).await;
            let answer = timeout(SOON, client.closed()).await.expect("the server closes").unwrap();
            assert!(!answer.ends_with(b"0\r\n\r\n"), "{said}");
        }
        assert_eq!(place.outcomes().await, [Outcome::TimedOut; 3]);
    }
}

#[tokio::test]
async fn a_websocket_outlives_every_timeout() {
    for behind in BOTH {
        let place = Place::with(behind, |settings| settings.timeouts.stream_idle = Some(LIMIT)).await;
        let mut client = Client::connect(place.address).await;
        client
            .send("GET /tunnel HTTP/1.1\r\nhost: test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
            .await;
        assert_eq!(client.response().await.status, 101);
        let mut stream = client.into_stream();
        for _ in 0..2 {
            sleep(2 * LIMIT).await;
            stream.write_all(b"hello").await.unwrap();
            let mut echo = [0; 5];
            timeout(SOON, stream.read_exact(&mut echo)).await.unwrap().unwrap();
            assert_eq!(&echo, b"hello");
        }
        assert_eq!(place.outcomes().await, [Outcome::Finished]);
    }
}

#[tokio::test]
async fn an_extended_connect_of_http2_outlives_every_timeout() {
    for behind in BOTH {
        let place = Place::with(behind, |settings| settings.timeouts.stream_idle = Some(LIMIT)).await;
        let mut requests = place.h2().await;
        // The server's settings have to be there, which say that it knows of these.
        assert_eq!(read(&mut send(&mut requests, "/bytes").await).await.0, b"hello");
        let mut request = Request::connect("http://test/tunnel").body(()).unwrap();
        request.extensions_mut().insert(Protocol::from_static("websocket"));
        let (response, mut up) = requests.send_request(request, false).unwrap();
        let response = timeout(SOON, response).await.unwrap().unwrap();
        assert_eq!(response.status(), 200);
        let mut down = response.into_body();
        for _ in 0..2 {
            sleep(2 * LIMIT).await;
            up.send_data(Bytes::from_static(b"hello"), false).unwrap();
            assert_eq!(timeout(SOON, down.data()).await.unwrap().unwrap().unwrap(), "hello");
        }
    }
}

#[tokio::test]
async fn a_response_of_known_length_outlives_the_deadline_and_is_cut_when_its_service_is_silent() {
    for behind in BOTH {
        let place = Place::with(behind, |settings| settings.timeouts.response_body_idle = 3 * LIMIT).await;
        let start = Instant::now();
        assert!(place.raw("HTTP/1.1", "/known").await.unwrap().ends_with(b"one"), "three bytes of six");
        assert!(start.elapsed() >= 3 * LIMIT);
        assert_eq!(place.outcomes().await, [Outcome::TimedOut]);
    }
}

#[tokio::test]
async fn lengths_and_ends_are_those_of_the_bare_router() {
    for behind in BOTH {
        let place = Place::with(behind, |settings| settings.timeouts.stream_idle = Some(LIMIT)).await;
        let mut client = Client::connect(place.address).await;
        let reply = client.get("/bytes").await;
        assert_eq!((reply.header("content-length"), reply.text()), (Some("5"), "hello"));
        client.send("HEAD /bytes HTTP/1.1\r\nhost: test\r\n\r\n").await;
        assert_eq!(client.head_response().await.header("content-length"), Some("5"));
        for (path, length) in [("/empty", Some("0")), ("/no-content", None), ("/not-modified", None)] {
            let reply = client.get(path).await;
            assert_eq!(reply.header("transfer-encoding"), None, "{path}");
            assert_eq!(reply.header("content-length"), length, "{path}");
        }

        let mut requests = place.h2().await;
        for path in ["/empty", "/no-content", "/not-modified"] {
            assert!(send(&mut requests, path).await.is_end_stream(), "{path}: END_STREAM on the head");
        }
        let request = Request::head("http://test/bytes").body(()).unwrap();
        let (response, _) = requests.send_request(request, true).unwrap();
        let response = timeout(SOON, response).await.unwrap().unwrap();
        assert_eq!(response.headers()["content-length"], "5");
        assert!(response.body().is_end_stream());
    }
}

#[tokio::test]
async fn trailers_pass() {
    for behind in BOTH {
        let place = Place::open(behind).await;
        let mut requests = place.h2().await;
        let mut body = send(&mut requests, "/trailers").await;
        assert_eq!(read(&mut body).await.0, b"one");
        assert_eq!(body.trailers().await.unwrap().unwrap()["x-last"], "two");
    }
}

#[tokio::test]
async fn a_client_that_goes_away_in_the_middle_leaves_nothing_behind_and_has_not_timed_out() {
    for behind in BOTH {
        let place = Place::with(behind, |settings| settings.timeouts.request = SOON).await;
        let mut client = Client::connect(place.address).await;
        client.send("GET /stall HTTP/1.1\r\nhost: test\r\n\r\n").await;
        let mut requests = place.h2().await;
        let mut body = send(&mut requests, "/stall").await;
        assert_eq!(timeout(SOON, body.data()).await.unwrap().unwrap().unwrap(), "one");
        drop((client, body, requests));
        assert_eq!(place.outcomes().await, [Outcome::Cancelled, Outcome::Cancelled]);
    }
}
