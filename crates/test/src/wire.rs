//! One HTTP/1.1 connection on a raw socket, seen byte by byte.

use std::{io, net::SocketAddr};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpStream, ToSocketAddrs},
};

/// The client's end of a connection: of a socket, or of what is spoken on one.
#[derive(Debug)]
pub struct Client<S = TcpStream> {
    stream: S,
    /// What was read and belongs to no reply yet.
    unread: Vec<u8>,
}

impl From<TcpStream> for Client {
    /// A connection made elsewhere.
    fn from(stream: TcpStream) -> Self {
        Self { stream, unread: Vec::new() }
    }
}

/// One response, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The version in the status line.
    pub version: Version,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, its chunks joined.
    pub body: Bytes,
    /// The trailers of a chunked body.
    pub trailers: HeaderMap,
}

impl Client {
    /// Connects.
    pub async fn connect(to: impl ToSocketAddrs) -> Self {
        let stream = TcpStream::connect(to).await.expect("the server accepts");
        stream.set_nodelay(true).expect("a fresh socket takes options");
        Self::over(stream)
    }

    /// The address of this end, which is the server's peer.
    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Speaks HTTP/1.1 on this.
    pub fn over(stream: S) -> Self {
        Self { stream, unread: Vec::new() }
    }

    /// Sends these bytes, and nothing else.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the server reads");
    }

    /// Sends these bytes to a server that may have closed.
    ///
    /// # Errors
    ///
    /// As the socket says.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Sends a `GET` for `path` and reads its response.
    pub async fn get(&mut self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")).await;
        self.response().await
    }

    /// Says that nothing more will be sent. The response can still be read.
    pub async fn shutdown(&mut self) {
        self.stream.shutdown().await.expect("the connection is still there");
    }

    /// Reads one whole response, also an interim one.
    ///
    /// # Panics
    ///
    /// If the connection ends first, or what comes is not HTTP/1.
    pub async fn response(&mut self) -> Reply {
        self.try_response().await.expect("the connection holds").expect("the server answers before it closes")
    }

    /// Reads one whole response, or `None` if the server closes before its first byte.
    ///
    /// # Errors
    ///
    /// As the socket says, and where a response is cut off or malformed.
    pub async fn try_response(&mut self) -> io::Result<Option<Reply>> {
        self.reply(false).await
    }

    /// Reads the response to a `HEAD`, which has no body whatever its headers say.
    ///
    /// # Panics
    ///
    /// As [`response`](Self::response).
    pub async fn head_response(&mut self) -> Reply {
        self.reply(true).await.expect("the connection holds").expect("the server answers before it closes")
    }

    /// Waits for the server to close, and returns what it sent before that.
    ///
    /// # Errors
    ///
    /// As the socket says: a reset is one.
    pub async fn closed(&mut self) -> io::Result<Bytes> {
        while self.read().await? > 0 {}
        Ok(Bytes::from(std::mem::take(&mut self.unread)))
    }

    /// What comes next, as much of it as is there.
    ///
    /// # Errors
    ///
    /// As the socket says, and where the server has closed.
    pub async fn some(&mut self) -> io::Result<Bytes> {
        if self.unread.is_empty() {
            self.read_more().await?;
        }
        Ok(Bytes::from(std::mem::take(&mut self.unread)))
    }

    /// The next chunk of a body, after its [head](Self::head_response): empty, if it is the last.
    ///
    /// # Errors
    ///
    /// As the socket says, and where a chunk is cut off or malformed.
    pub async fn chunk(&mut self) -> io::Result<Bytes> {
        let line = self.line().await?;
        let size = line.split(|byte| *byte == b';').next().and_then(|size| std::str::from_utf8(size).ok());
        let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
        let size = size.ok_or_else(|| malformed(&line))?;
        if size == 0 {
            return Ok(Bytes::new());
        }
        let chunk = self.take(size).await?;
        let end = self.line().await?;
        if end.is_empty() { Ok(chunk) } else { Err(malformed(&end)) }
    }

    /// The socket itself. What has been read ahead is lost.
    pub fn into_stream(self) -> S {
        self.stream
    }

    async fn reply(&mut self, to_head: bool) -> io::Result<Option<Reply>> {
        while self.unread.is_empty() {
            if self.read().await? == 0 {
                return Ok(None);
            }
        }
        let status_line = self.line().await?;
        let (version, status) = status(&status_line).ok_or_else(|| malformed(&status_line))?;
        let headers = self.headers().await?;
        let mut trailers = HeaderMap::new();
        let bodiless = to_head
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let body = if bodiless {
            Bytes::new()
        } else if let Some(coding) = headers.get("transfer-encoding") {
            if coding.as_bytes() != b"chunked" {
                return Err(malformed(coding.as_bytes()));
            }
            let body = self.chunks().await?;
            trailers = self.headers().await?;
            body
        } else if let Some(length) = headers.get("content-length") {
            let length = length.to_str().ok().and_then(|length| length.parse().ok());
            self.take(length.ok_or_else(|| malformed(b"content-length"))?).await?
        } else {
            self.closed().await?
        };
        Ok(Some(Reply { version, status, headers, body, trailers }))
    }

    async fn chunks(&mut self) -> io::Result<Bytes> {
        let mut body = Vec::new();
        loop {
            let chunk = self.chunk().await?;
            if chunk.is_empty() {
                return Ok(Bytes::from(body));
            }
            body.extend_from_slice(&chunk);
        }
    }

    async fn headers(&mut self) -> io::Result<HeaderMap> {
        let mut headers = HeaderMap::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Ok(headers);
            }
            let (name, value) = header(&line).ok_or_else(|| malformed(&line))?;
            headers.append(name, value);
        }
    }

    /// The next line, without its end.
    async fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|bytes| bytes == b"\r\n") {
                let mut line: Vec<u8> = self.unread.drain(..end + 2).collect();
                line.truncate(end);
                return Ok(line);
            }
            self.read_more().await?;
        }
    }

    async fn take(&mut self, length: usize) -> io::Result<Bytes> {
        while self.unread.len() < length {
            self.read_more().await?;
        }
        Ok(self.unread.drain(..length).collect())
    }

    async fn read_more(&mut self) -> io::Result<()> {
        match self.read().await? {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closes within a response")),
            _ => Ok(()),
        }
    }

    async fn read(&mut self) -> io::Result<usize> {
        self.stream.read_buf(&mut self.unread).await
    }
}

impl Reply {
    /// The body as text.
    ///
    /// # Panics
    ///
    /// If it is not UTF-8.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The only value of a header, as text.
    ///
    /// # Panics
    ///
    /// If there are several.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next()?;
        assert!(values.next().is_none(), "{name} is there more than once: {:?}", self.headers);
        value.to_str().ok()
    }
}

fn status(line: &[u8]) -> Option<(Version, StatusCode)> {
    let (version, rest) = line.split_at_checked(9)?;
    let version = match version {
        b"HTTP/1.1 " => Version::HTTP_11,
        b"HTTP/1.0 " => Version::HTTP_10,
        _ => return None,
    };
    Some((version, StatusCode::from_bytes(rest.get(..3)?).ok()?))
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at(colon);
    let value = value.get(1..)?.trim_ascii();
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
}

fn malformed(what: &[u8]) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP/1: {}", what.escape_ascii()))
}
