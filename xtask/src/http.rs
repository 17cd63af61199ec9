//! One GET over a plain socket: no client's library between the check and the wire.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// For connecting, and for each read and write.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Answer {
    fn parse(raw: &str) -> Option<Self> {
        let (head, body) = raw.split_once("\r\n\r\n")?;
        let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let mut answer = Self { status, head: head.to_owned(), body: body.to_owned() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = unchunked(body)?;
        }
        Some(answer)
    }

    /// The value of the first header of this name, in any case.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let headers = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        headers.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}

/// What was sent in chunks; nothing where that is not whole.
fn unchunked(mut body: &str) -> Option<String> {
    let mut whole = String::new();
    loop {
        let (length, rest) = body.split_once("\r\n")?;
        let length = usize::from_str_radix(length, 16).ok()?;
        whole.push_str(rest.get(..length)?);
        body = rest.get(length..)?.strip_prefix("\r\n")?;
        if length == 0 {
            return Some(whole);
        }
    }
}

/// # Errors
/// Where nobody listens, where the answer is not HTTP/1.1, or where nothing comes for five seconds.
pub(crate) fn get(address: SocketAddr, target: &str) -> io::Result<Answer> {
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
    fn chunks_are_put_together_and_one_that_is_cut_is_no_answer() {
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
        assert_eq!(Answer::parse(answer).unwrap().body, "hello!");
        assert!(Answer::parse(answer.trim_end_matches("0\r\n\r\n")).is_none());
    }

    #[test]
    fn what_is_cut_or_foreign_is_no_answer() {
        assert!(Answer::parse("").is_none());
        assert!(Answer::parse("HTTP/1.1 200 OK\r\n").is_none());
        assert!(Answer::parse("SSH-2.0-x\r\n\r\n").is_none());
    }
}
