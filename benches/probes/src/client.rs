//! One HTTP/1.1 connection, and as much of the protocol as it takes.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

pub(crate) struct Client {
    stream: TcpStream,
    /// Nothing of it is kept from one answer to the next: who is asked once answers once.
    read: Vec<u8>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Whether another request may be sent.
    pub(crate) keeps: bool,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, read: Vec::with_capacity(1024) })
    }

    pub(crate) async fn send(&mut self, path: &str) -> io::Result<()> {
        self.stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: probed\r\n\r\n").as_bytes()).await
    }

    /// # Errors
    ///
    /// Where the connection breaks, or ends before the answer does.
    pub(crate) async fn get(&mut self, path: &str) -> io::Result<Answer> {
        self.send(path).await?;
        self.read.clear();
        loop {
            if let Some(answer) = Answer::parse(&self.read) {
                return Ok(answer);
            }
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

impl Answer {
    /// Nothing while it is not whole. All answers here have a length.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let header = |name: &str| {
            let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
            headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let length: usize = header("content-length")?.parse().ok()?;
        let keeps = header("connection") != Some("close");
        (body.len() >= length).then(|| Self { status, keeps, body: body.to_owned() })
    }
}
