//! A server to test against, and the service behind it.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt, Either, Full};
use macadam_core::{Phase, PhaseOwner, RequestContext, Stage};
use macadam_serve::{Body, CloseReason, Handle, Listen, Served, Server};
use macadam_test::wire::Client;
use tokio::{sync::Semaphore, task::JoinHandle, time::timeout};
use tower::service_fn;

/// A running server.
pub(crate) struct Town {
    pub(crate) address: SocketAddr,
    pub(crate) handle: Handle,
    pub(crate) phase: PhaseOwner,
    pub(crate) served: JoinHandle<Served>,
    pub(crate) app: Arc<App>,
}

/// What its service counts, and waits for.
pub(crate) struct App {
    pub(crate) calls: AtomicUsize,
    /// A permit for each `/slow` that has begun.
    pub(crate) entered: Semaphore,
    /// A permit lets one `/slow` go on.
    pub(crate) gate: Semaphore,
    /// A permit for each `/slow` and `/frames` that was dropped before its end.
    pub(crate) dropped: Semaphore,
    /// Frames that `/frames` was asked for.
    pub(crate) frames: AtomicUsize,
}

pub(crate) const BIG: usize = 8 << 20;
pub(crate) const FRAME: usize = 1000;

impl Town {
    pub(crate) async fn open() -> Self {
        Self::with(|server| server).await
    }

    pub(crate) async fn with(configure: impl FnOnce(Server) -> Server) -> Self {
        let listener = Listen::new("127.0.0.1:0".parse().unwrap()).bind().unwrap();
        let address = listener.local_addr().unwrap();
        let phase = PhaseOwner::new();
        phase.advance(Phase::Serving, None);
        let server = configure(Server::new(listener));
        #[cfg(feature = "fault-injection")]
        let server = crate::faults::WITHOUT.get().into_iter().fold(server, Server::without);
        let (server, handle) = server.pair();
        let app = Arc::new(App {
            calls: AtomicUsize::new(0),
            entered: Semaphore::new(0),
            gate: Semaphore::new(0),
            dropped: Semaphore::new(0),
            frames: AtomicUsize::new(0),
        });
        let answering = Arc::clone(&app);
        let service = service_fn(move |request| answer(Arc::clone(&answering), request));
        let served = tokio::spawn(server.phase(phase.watch()).serve(service));
        Self { address, handle, phase, served, app }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    pub(crate) fn to(&self, phase: Phase) {
        assert!(self.phase.advance(phase, None));
    }

    pub(crate) fn calls(&self) -> usize {
        self.app.calls.load(SeqCst)
    }

    /// Waits until a `/slow` has begun.
    pub(crate) async fn entered(&self) {
        soon(self.app.entered.acquire()).await.unwrap().forget();
    }

    /// Lets a `/slow` go on.
    pub(crate) fn release(&self) {
        self.app.gate.add_permits(1);
    }

    /// Waits until serving has ended.
    pub(crate) async fn served(self) -> Served {
        soon(self.served).await.unwrap()
    }

    /// Waits until a connection has ended for this reason.
    pub(crate) async fn closes(&self, reason: CloseReason, times: u64) {
        until(|| self.handle.closes(reason) == times).await;
    }
}

async fn answer(
    app: Arc<App>,
    request: Request<Body>,
) -> Result<Response<Either<Full<Bytes>, Frames>>, Infallible> {
    app.calls.fetch_add(1, SeqCst);
    let context = RequestContext::get(&request).expect("serve makes the context").clone();
    assert!(context.peer().is_some());
    let text = |text: String| Response::new(Either::Left(Full::from(text)));
    Ok(match request.uri().path() {
        "/slow" => {
            let mut guard = Dropped(Some(Arc::clone(&app)));
            app.entered.add_permits(1);
            app.gate.acquire().await.unwrap().forget();
            guard.0 = None;
            text("slow".into())
        }
        "/big" => Response::new(Either::Left(Full::from(vec![b'b'; BIG]))),
        // More than the 64 KiB that an HTTP/2 stream takes unasked, less than h2 buffers for it.
        "/window" => Response::new(Either::Left(Full::from(vec![b'w'; 100_000]))),
        "/too-large" => {
            let mut response = text("too large".into());
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            response
        }
        "/frames" => {
            let every = Duration::ZERO;
            Response::new(Either::Right(Frames {
                left: 50_000_000 / FRAME,
                every,
                next: None,
                dropped: Dropped(Some(app)),
            }))
        }
        // Three frames, and a while between them.
        "/drip" => {
            let every = Duration::from_millis(500);
            Response::new(Either::Right(Frames { left: 3, every, next: None, dropped: Dropped(Some(app)) }))
        }
        // The body is not asked for until the gate opens.
        "/lazy" => {
            app.entered.add_permits(1);
            app.gate.acquire().await.unwrap().forget();
            match request.into_body().collect().await {
                Ok(body) => text(body.to_bytes().len().to_string()),
                Err(error) => text(error.to_string()),
            }
        }
        // As axum's extractors do.
        "/upload" => match request.into_body().collect().await {
            Ok(body) => text(format!("{} bytes, {}", body.to_bytes().len(), context.stage())),
            Err(error) => {
                let mut response = text(error.to_string());
                *response.status_mut() = StatusCode::BAD_REQUEST;
                response
            }
        },
        // The answer comes while the body is read elsewhere.
        "/background" => {
            tokio::spawn(async move {
                app.entered.add_permits(1);
                let _ = request.into_body().collect().await;
                app.entered.add_permits(1);
            });
            text("later".into())
        }
        "/deadline" => {
            let before = tokio::time::Instant::now() + Duration::from_millis(200);
            context.set_deadline(Some(before));
            let _ = request.into_body().collect().await;
            let moved = context.deadline().unwrap().duration_since(before);
            assert_ne!(context.stage(), Stage::ReadingBody);
            text(moved.as_millis().to_string())
        }
        "/echo" => {
            let upgrade = hyper::upgrade::on(request);
            tokio::spawn(async move {
                let mut io = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
                let (mut read, mut write) = tokio::io::split(&mut io);
                let _ = tokio::io::copy(&mut read, &mut write).await;
                app.dropped.add_permits(1);
            });
            let mut response = text(String::new());
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("upgrade", "echo".parse().unwrap());
            response.headers_mut().insert("connection", "upgrade".parse().unwrap());
            response
        }
        _ => text("ok".into()),
    })
}

/// Frames of a kilobyte, each after a while.
struct Frames {
    left: usize,
    every: Duration,
    next: Option<Pin<Box<tokio::time::Sleep>>>,
    dropped: Dropped,
}

impl HttpBody for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.left == 0 {
            this.dropped.0 = None;
            return Poll::Ready(None);
        }
        if !this.every.is_zero() {
            let every = this.every;
            ready!(this.next.get_or_insert_with(|| Box::pin(tokio::time::sleep(every))).as_mut().poll(cx));
            this.next = None;
        }
        this.left -= 1;
        if let Some(app) = &this.dropped.0 {
            app.frames.fetch_add(1, SeqCst);
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'f'; FRAME])))))
    }
}

struct Dropped(Option<Arc<App>>);

impl Drop for Dropped {
    fn drop(&mut self) {
        if let Some(app) = &self.0 {
            app.dropped.add_permits(1);
        }
    }
}

/// Whatever a test waits for comes within this, or never.
pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(Duration::from_secs(10), future).await.expect("it comes soon")
}

/// Waits for what makes no event of its own.
pub(crate) async fn until(mut done: impl FnMut() -> bool) {
    soon(async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

/// Gives the server time to make the mistake that a test is about.
pub(crate) async fn moment() {
    tokio::time::sleep(Duration::from_millis(60)).await;
}

pub(crate) const GET: &str = "GET / HTTP/1.1\r\nhost: test\r\n\r\n";
pub(crate) const SLOW: &str = "GET /slow HTTP/1.1\r\nhost: test\r\n\r\n";

pub(crate) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
