//! Whether an HTTP server answers as it should.

use std::{error::Error, ops::RangeInclusive, pin::pin, sync::Arc};

use bytes::Bytes;
use http::{
    Request,
    header::{HOST, USER_AGENT},
};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::check::Check;

/// Passes when `GET path` from `address`, such as `search:9200`, is answered with a status in `expected`.
///
/// It speaks HTTP/1.1 without TLS, on a new connection for each run, and follows no redirect. Of the answer's body the
/// first 64 KiB are read, since a server that stops in the middle is not well, and none of it is kept.
///
/// ```
/// # use macadam_health::checks;
/// let search = checks::http("search", "search:9200", "/_cluster/health", 200..=299).degrading();
/// ```
pub fn http(
    name: impl Into<String>,
    address: impl Into<Arc<str>>,
    path: impl Into<Arc<str>>,
    expected: RangeInclusive<u16>,
) -> Check {
    let (address, path) = (address.into(), path.into());
    Check::new(name, move || {
        let (address, path, expected) = (Arc::clone(&address), Arc::clone(&path), expected.clone());
        async move {
            let status = get(&address, &path).await.map_err(|error| error.to_string())?;
            if expected.contains(&status) { Ok(()) } else { Err(format!("status {status}")) }
        }
    })
}

/// The status, once as much of the body has come as is read.
async fn get(address: &str, path: &str) -> Result<u16, Box<dyn Error + Send + Sync>> {
    let request = Request::get(path)
        .header(HOST, address)
        .header(USER_AGENT, concat!("macadam-health/", env!("CARGO_PKG_VERSION")))
        .body(Empty::new())?;
    let stream = TcpStream::connect(address).await?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut exchange = pin!(exchange(sender, request));
    // Both in this task, so that nothing is left behind when the run is dropped. The connection may end first: what it
    // has read is still to be taken.
    let status = tokio::select! {
        biased;
        status = &mut exchange => status,
        _ = connection => exchange.await,
    };
    Ok(status?)
}

async fn exchange(
    mut sender: SendRequest<Empty<Bytes>>,
    request: Request<Empty<Bytes>>,
) -> hyper::Result<u16> {
    let mut response = sender.send_request(request).await?;
    let mut read = 0;
    while let Some(frame) = response.frame().await {
        read += frame?.data_ref().map_or(0, Bytes::len);
        if read >= BODY_LIMIT {
            break;
        }
    }
    Ok(response.status().as_u16())
}

const BODY_LIMIT: usize = 64 * 1024;
