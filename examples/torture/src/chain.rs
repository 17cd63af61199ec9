//! A service that calls another one like it, and tells it how much time is left.

use std::{
    fmt::Display,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Json,
    body::Body,
    extract::{Query, State},
    http::{HeaderName, Request, StatusCode, Uri, uri::Authority},
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use macadam::{Deadline, TimeoutHeader};
use serde::{Deserialize, Serialize};
use tokio::{net::TcpStream, time::timeout};

use crate::work::For;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The next service in the row, if there is one, and how often this one was called.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chain {
    next: Option<Authority>,
    calls: Arc<AtomicU64>,
}

/// What was left to each service of the row when its handler was called, this one's first.
#[derive(Deserialize, Serialize)]
pub(crate) struct Hops {
    remaining_ms: Vec<Option<u64>>,
}

impl Chain {
    /// The next one is at `http://host:port`.
    pub(crate) fn to(next: Option<&str>) -> Self {
        let next = next.map(|next| next.parse::<Uri>().ok().and_then(|next| next.authority().cloned()));
        Self { next: next.map(|next| next.expect("TORTURE_NEXT is http://host:port")), calls: Arc::default() }
    }
}

/// Works for a while, then asks the next one.
pub(crate) async fn chain(
    State(chain): State<Chain>,
    deadline: Deadline,
    Query(time): Query<For>,
) -> Result<Json<Hops>, Response> {
    chain.calls.fetch_add(1, Relaxed);
    let left = deadline.remaining().map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
    let time = time.or_ms(20);
    tokio::time::sleep(time).await;

    let mut remaining_ms = vec![left];
    if let Some(next) = &chain.next {
        remaining_ms.extend(ask(next, time, &deadline).await?.remaining_ms);
    }
    Ok(Json(Hops { remaining_ms }))
}

/// How often the handler of the chain was called.
pub(crate) async fn calls(State(chain): State<Chain>) -> String {
    chain.calls.load(Relaxed).to_string()
}

/// Asks the next service, by a plain client that knows nothing of deadlines, while there is time for an answer.
async fn ask(next: &Authority, time: Duration, deadline: &Deadline) -> Result<Hops, Response> {
    let request = Request::get(format!("/chain?ms={}", time.as_millis())).header("host", next.as_str());
    let mut request = request.body(Empty::new()).map_err(bad_gateway)?;
    let header = TimeoutHeader::millis(HeaderName::from_static("x-request-timeout-ms"));
    let told = deadline.write(request.headers_mut(), &header, Duration::ZERO).map_err(gateway_timeout)?;
    let answer = timeout(told.unwrap_or(Duration::MAX), exchange(next, request)).await;
    let (status, body) = answer.map_err(gateway_timeout)?.map_err(bad_gateway)?;
    if status == StatusCode::OK {
        serde_json::from_slice(&body).map_err(bad_gateway)
    } else {
        Err((status, Body::from(body)).into_response())
    }
}

/// One request on one connection.
async fn exchange(
    to: &Authority,
    request: Request<Empty<bytes::Bytes>>,
) -> Result<(StatusCode, bytes::Bytes), BoxError> {
    let stream = TcpStream::connect(to.as_str()).await?;
    let (mut client, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let (head, body) = client.send_request(request).await?.into_parts();
        Ok((head.status, body.collect().await?.to_bytes()))
    };
    // Polled together, so that nothing runs on once nobody waits for it.
    tokio::select! {
        answer = exchange => answer,
        Err(error) = connection => Err(error.into()),
    }
}

fn bad_gateway(error: impl Into<BoxError>) -> Response {
    (StatusCode::BAD_GATEWAY, error.into().to_string()).into_response()
}

fn gateway_timeout(error: impl Display) -> Response {
    (StatusCode::GATEWAY_TIMEOUT, error.to_string()).into_response()
}
