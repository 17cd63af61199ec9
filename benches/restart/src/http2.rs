//! An HTTP/2 connection, without TLS, over the `h2` crate itself: what was sent and what was not can be told apart.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use h2::{Reason, client::SendRequest};
use http::Request;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::ending::{Ending, Failure};

#[derive(Clone)]
pub(crate) struct Connection {
    send: SendRequest<Bytes>,
    opened: Arc<Opened>,
}

impl Connection {
    /// Its task runs until the connection has ended.
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, Failure> {
        let stream = TcpStream::connect(address).await.map_err(|_| Failure::Refused)?;
        let _ = stream.set_nodelay(true);
        let opened = Arc::new(Opened::default());
        let watched = Watched::new(stream, Arc::clone(&opened));
        let (send, connection) = h2::client::handshake(watched).await.map_err(|_| Failure::Reset)?;
        tokio::spawn(connection);
        Ok(Self { send, opened })
    }

    /// Whether no GOAWAY, end or error has been seen yet.
    pub(crate) fn takes_streams(&self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        !matches!(self.send.clone().poll_ready(&mut context), Poll::Ready(Err(_)))
    }

    /// Asks on a stream of its own.
    pub(crate) async fn ask(&self, request: Request<()>, body: Bytes) -> Ending {
        let mut send = self.send.clone();
        let Ok((answer, mut stream)) = send.send_request(request, body.is_empty()) else {
            return Ending::NotSent;
        };
        let number = answer.stream_id().as_u32();
        if !body.is_empty() && stream.send_data(body, true).is_err() {
            return Ending::Failed(Failure::Reset);
        }
        let (head, mut body) = match answer.await {
            Ok(answer) => answer.into_parts(),
            Err(error) => return self.without_an_answer(number, &error),
        };
        while let Some(data) = body.data().await {
            let Ok(data) = data else { return Ending::Failed(Failure::Truncated) };
            let _ = body.flow_control().release_capacity(data.len());
        }
        if head.status.is_success() {
            Ending::Answered
        } else {
            Ending::Failed(Failure::Status(head.status.as_u16()))
        }
    }

    fn without_an_answer(&self, number: u32, error: &h2::Error) -> Ending {
        let gone = error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR);
        match error.get_io().map(io::Error::kind) {
            None if gone && self.opened.highest.load(Relaxed) < number => Ending::NotSent,
            None if gone => Ending::Failed(Failure::WentAway),
            Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe) => Ending::Failed(Failure::Ended),
            _ => Ending::Failed(Failure::Reset),
        }
    }
}

/// What a client opened in good faith.
#[derive(Default)]
struct Opened {
    /// The highest number of a stream whose head was written to the socket before a GOAWAY was read from it.
    ///
    /// h2 writes what it had queued also after it has read the GOAWAY, and behind its answer to the PING with which the
    /// server asks whether everything is there. It must not (RFC 9113, 6.8), and no server can tell.
    highest: AtomicU32,
}

/// A socket that notes which streams were opened.
struct Watched {
    stream: TcpStream,
    out: Frames,
    into: Frames,
    told_to_go: bool,
    opened: Arc<Opened>,
}

impl Watched {
    fn new(stream: TcpStream, opened: Arc<Opened>) -> Self {
        Self { stream, out: Frames::after(PREFACE), into: Frames::after(0), told_to_go: false, opened }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let this = &mut *self;
        this.into.walk(&buf.filled()[filled..], |kind, _| this.told_to_go |= kind == GOAWAY);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        let this = &mut *self;
        this.out.walk(&bytes[..written], |kind, stream| {
            if kind == HEADERS && !this.told_to_go {
                this.opened.highest.fetch_max(stream, Relaxed);
            }
        });
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Walks over the frames of one direction.
struct Frames {
    /// Bytes until the next frame's head.
    skip: usize,
    /// What has come of that head.
    head: Vec<u8>,
}

impl Frames {
    fn after(skip: usize) -> Self {
        Self { skip, head: Vec::with_capacity(FRAME_HEAD) }
    }

    /// Calls `each` with the kind and the stream of each frame whose head ends in these bytes.
    fn walk(&mut self, mut bytes: &[u8], mut each: impl FnMut(u8, u32)) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (FRAME_HEAD - self.head.len()).min(bytes.len());
            self.head.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.head.len() == FRAME_HEAD {
                let number = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte));
                self.skip = number(&self.head[..3]) as usize;
                each(self.head[3], number(&self.head[5..]));
                self.head.clear();
            }
        }
    }
}

const PREFACE: usize = 24;
const FRAME_HEAD: usize = 9;
const HEADERS: u8 = 1;
const GOAWAY: u8 = 7;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let mut bytes = vec![0; PREFACE];
        bytes.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
        bytes.extend([0, 0, 2, HEADERS, 5, 0, 0, 0, 7, 1, 1]);
        bytes.extend([0, 0, 8, GOAWAY, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
        for length in [1, 2, 5, 9, 100] {
            let mut frames = Frames::after(PREFACE);
            let mut seen = Vec::new();
            for piece in bytes.chunks(length) {
                frames.walk(piece, |kind, stream| seen.push((kind, stream)));
            }
            assert_eq!(seen, [(4, 0), (HEADERS, 7), (GOAWAY, 0)], "in pieces of {length}");
        }
    }
}
