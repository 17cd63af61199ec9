//! One GET over a plain socket.

use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// The status, and the body as it was sent.
///
/// # Errors
///
/// Where nobody listens, or what comes in five seconds is not a whole answer of HTTP/1.1.
pub(crate) async fn get(address: SocketAddr, target: &str) -> io::Result<(u16, String)> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        let head = format!("GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let parsed = answer.split_once("\r\n\r\n").and_then(|(head, body)| {
            let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
            Some((status, body.to_owned()))
        });
        parsed.ok_or_else(|| io::Error::other(format!("not an answer of HTTP/1.1: {answer:?}")))
    };
    timeout(PATIENCE, exchange).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

const PATIENCE: Duration = Duration::from_secs(5);
