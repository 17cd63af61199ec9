//! How the service is called.

use std::{
    cell::Cell,
    convert::Infallible,
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
};

use atomic_waker::AtomicWaker;
use http::{Request, Response};
use macadam_serve::{Body, Listen, Server};
use macadam_test::wire::Client;
use tokio::sync::Semaphore;
use tower::{Service, limit::ConcurrencyLimit, service_fn};

use crate::town::{GET, moment, soon};

/// Serves `service`, and connects to it.
async fn client_of<S>(service: S) -> Client
where
    S: Service<Request<Body>, Response = Response<String>> + Clone + Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    S::Future: Send,
{
    let listener = Listen::new("127.0.0.1:0".parse().unwrap()).bind().unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::new(listener).serve(service));
    Client::connect(address).await
}

#[derive(Default)]
struct Permits {
    left: AtomicUsize,
    waiting: AtomicWaker,
}

/// Is ready when it has a permit, and says which clone was called.
struct Gated {
    permits: Arc<Permits>,
    clones: Arc<AtomicUsize>,
    is_ready: bool,
    not_sync: PhantomData<Cell<()>>,
}

impl Clone for Gated {
    fn clone(&self) -> Self {
        self.clones.fetch_add(1, SeqCst);
        Self {
            permits: Arc::clone(&self.permits),
            clones: Arc::clone(&self.clones),
            is_ready: false,
            not_sync: PhantomData,
        }
    }
}

impl Service<Request<Body>> for Gated {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if !self.is_ready {
            self.permits.waiting.register(cx.waker());
            let one_less = |left: usize| left.checked_sub(1);
            if self.permits.left.fetch_update(SeqCst, SeqCst, one_less).is_err() {
                return Poll::Pending;
            }
            self.is_ready = true;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        assert!(std::mem::take(&mut self.is_ready), "the readied instance is the one that is called");
        std::future::ready(Ok(Response::new("ok".to_owned())))
    }
}

#[tokio::test]
async fn a_ready_service_is_called_without_a_clone_and_one_that_is_not_in_a_clone_that_is_woken() {
    let permits = Arc::new(Permits::default());
    permits.left.store(3, SeqCst);
    let clones = Arc::new(AtomicUsize::new(0));
    let service = Gated {
        permits: Arc::clone(&permits),
        clones: Arc::clone(&clones),
        is_ready: false,
        not_sync: PhantomData,
    };
    let mut client = client_of(service).await;
    for _ in 0..3 {
        assert_eq!(soon(client.get("/")).await.text(), "ok");
    }
    assert_eq!(clones.load(SeqCst), 1, "one for the connection");

    client.send(GET).await;
    moment().await;
    assert_eq!(clones.load(SeqCst), 2, "one to wait in");
    permits.left.store(1, SeqCst);
    permits.waiting.wake();
    assert_eq!(soon(client.response()).await.text(), "ok");
}

#[tokio::test]
async fn a_limit_of_one_goes_from_connection_to_connection() {
    let gate = Arc::new(Semaphore::new(0));
    let passing = Arc::clone(&gate);
    let service = service_fn(move |_: Request<Body>| {
        let gate = Arc::clone(&passing);
        async move {
            gate.acquire().await.unwrap().forget();
            Ok::<_, Infallible>(Response::new("ok".to_owned()))
        }
    });
    let listener = Listen::new("127.0.0.1:0".parse().unwrap()).bind().unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(Server::new(listener).serve(ConcurrencyLimit::new(service, 1)));
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(address).await;
        client.send(GET).await;
        moment().await;
        clients.push(client);
    }
    gate.add_permits(3);
    for client in &mut clients {
        assert_eq!(soon(client.response()).await.text(), "ok");
    }
}

#[tokio::test]
async fn an_error_of_the_service_closes_the_connection_without_an_answer() {
    let service = service_fn(async |_: Request<Body>| Err::<Response<String>, _>("out of order"));
    let mut client = client_of(service).await;
    // A close with bytes unread would be a reset.
    client.send("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1000000\r\n\r\n").await;
    client.send(vec![b'x'; 50_000]).await;
    assert!(soon(client.closed()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_panic_takes_its_connection_along_and_no_other() {
    let service = service_fn(async |request: Request<Body>| {
        assert_ne!(request.uri().path(), "/panic");
        Ok::<_, Infallible>(Response::new("ok".to_owned()))
    });
    let listener = Listen::new("127.0.0.1:0".parse().unwrap()).bind().unwrap();
    let address = listener.local_addr().unwrap();
    let (server, handle) = Server::new(listener).pair();
    tokio::spawn(server.serve(service));
    let mut one = Client::connect(address).await;
    let mut other = Client::connect(address).await;
    assert_eq!(other.get("/").await.text(), "ok");
    one.send("GET /panic HTTP/1.1\r\nhost: test\r\n\r\n").await;
    assert!(soon(one.closed()).await.is_ok_and(|last| last.is_empty()));
    assert_eq!(other.get("/").await.text(), "ok");
    assert_eq!(handle.closes(macadam_serve::CloseReason::Panicked), 1);
}
