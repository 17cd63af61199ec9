//! One GET over a plain socket: no client's library between the check and the wire.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// For connecting, and for each read and write.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    /// As it was sent, chunks and all.
    pub(super) body: String,
}

impl Answer {
    fn parse(raw: &str) -> Option<Self> {
        let (head, body) = raw.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        Some(Self { status, head: head.to_owned(), body: body.to_owned() })
    }

    /// The value of the first header of this name, in any case.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// # Errors
/// Where nobody listens, where the answer is not HTTP/1.1, or where nothing comes for five seconds.
pub(super) fn get(address: SocketAddr, target: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut raw = String::new();
    stream.read_to_string(&mut raw)?;
    Answer::parse(&raw).ok_or_else(|| io::Error::other(format!("not an HTTP/1.1 answer: {raw:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_status_headers_and_body() {
        let answer = Answer::parse("HTTP/1.1 200 OK\r\nX-Request-Id: 7\r\n\r\nhello").unwrap();
        assert_eq!((answer.status, answer.body.as_str()), (200, "hello"));
        assert_eq!(answer.header("x-request-id"), Some("7"));
        assert_eq!(answer.header("retry-after"), None);
    }

    #[test]
    fn what_is_cut_or_foreign_is_no_answer() {
        assert!(Answer::parse("").is_none());
        assert!(Answer::parse("HTTP/1.1 200 OK\r\n").is_none());
        assert!(Answer::parse("SSH-2.0-x\r\n\r\n").is_none());
    }
}
