//! A collector: it takes what it is sent, and keeps it.

use std::{
    convert::Infallible,
    net::{self, SocketAddr},
    sync::{Arc, Mutex},
    thread,
};

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use prost::Message;
use tokio::{net::TcpListener, runtime};

/// What came, by the path it was sent to.
#[derive(Clone, Default)]
pub(crate) struct Collector {
    came: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Collector {
    /// On a port of its own, on a thread of its own, until the process ends.
    pub(crate) fn start() -> (Self, SocketAddr) {
        let collector = Self::default();
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let serving = collector.clone();
        thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { serving.serve(TcpListener::from_std(listener).unwrap()).await });
        });
        (collector, address)
    }

    async fn serve(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let collector = self.clone();
            let answer = service_fn(move |request: Request<Incoming>| {
                let collector = collector.clone();
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    collector.came.lock().unwrap().push((path, body));
                    Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    }

    /// What was sent to a path, decoded.
    pub(crate) fn came<M: Message + Default>(&self, path: &str) -> Vec<M> {
        let came = self.came.lock().unwrap();
        let of = came.iter().filter(|(to, _)| to == path);
        of.map(|(_, body)| M::decode(body.clone()).unwrap()).collect()
    }
}
