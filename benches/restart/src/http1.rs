//! An HTTP/1.1 connection, with no client's library between the count and the wire.
//!
//! It is strict: what has been written on a connection is lost if the connection ends without an answer, and is not
//! sent again. It is fair: a connection that was closed before the write is not written to.

use std::{io, mem::MaybeUninit, net::SocketAddr};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    join,
    net::TcpStream,
};

use crate::ending::{Ending, Failure};

pub(crate) struct Connection {
    stream: TcpStream,
    /// What has been read of the answer.
    read: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(|_| Failure::Refused)?;
        let _ = stream.set_nodelay(true);
        Ok(Self { stream, read: Vec::new() })
    }

    /// Whether neither an end nor anything else has come since the last answer. Asks the kernel, and not what the
    /// runtime remembers of it.
    pub(crate) fn is_quiet(&self) -> bool {
        let peeked = SockRef::from(&self.stream).peek(&mut [MaybeUninit::uninit()]);
        peeked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends a request, reads its answer, and says whether another may follow.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> (Ending, bool) {
        let (mut read, mut write) = self.stream.split();
        // Both at once: an answer may come before the whole request has gone.
        let (sent, answer) = join!(write.write_all(request), receive(&mut read, &mut self.read));
        self.read.clear();
        match answer {
            Ok(Answer { status: 200..=299, keeps, .. }) => (Ending::Answered, keeps && sent.is_ok()),
            Ok(Answer { status, keeps, .. }) => {
                (Ending::Failed(Failure::Status(status)), keeps && sent.is_ok())
            }
            Err(failure) => (Ending::Failed(failure), false),
        }
    }
}

async fn receive(stream: &mut (impl AsyncRead + Unpin), read: &mut Vec<u8>) -> Result<Answer, Failure> {
    loop {
        match stream.read_buf(read).await {
            Ok(1..) => {}
            _ if !read.is_empty() => return Err(Failure::Truncated),
            Ok(0) => return Err(Failure::Ended),
            Err(_) => return Err(Failure::Reset),
        }
        match Answer::parse(read) {
            Some(answer) if answer.length == read.len() => return Ok(answer),
            // What nobody asked for is no answer.
            Some(answer) if answer.length < read.len() => return Err(Failure::Truncated),
            _ => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    /// Of head and body, in bytes.
    length: usize,
    /// Whether another request may follow.
    keeps: bool,
}

impl Answer {
    /// `None` while the head is not whole. The body has to have a length.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let text = std::str::from_utf8(&bytes[..head]).ok()?;
        let mut lines = text.split("\r\n");
        let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
        let mut answer = Self { status, length: head, keeps: true };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                answer.length += value.trim().parse::<usize>().ok()?;
            } else if name.eq_ignore_ascii_case("connection") {
                answer.keeps = !value.trim().eq_ignore_ascii_case("close");
            }
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn receive_all(bytes: &[u8]) -> Result<Answer, Failure> {
        receive(&mut &*bytes, &mut Vec::new()).await
    }

    #[tokio::test]
    async fn an_answer_is_whole_or_truncated() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nok";
        assert_eq!(receive_all(whole).await, Ok(Answer { status: 200, length: whole.len(), keeps: false }));
        for part in 1..whole.len() {
            assert_eq!(receive_all(&whole[..part]).await, Err(Failure::Truncated), "{part}");
        }
        assert_eq!(receive_all(b"").await, Err(Failure::Ended));
    }

    #[tokio::test]
    async fn an_end_that_has_come_is_seen_before_the_write() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let connection = Connection::open(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        assert!(connection.is_quiet());
        drop(peer);
        assert!(!connection.is_quiet(), "the loopback delivers at once");
    }
}
