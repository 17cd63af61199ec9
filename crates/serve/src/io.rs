//! The transport, as hyper sees it.
//!
//! It counts what passes, replays what the sniff has read, tells hyper of an end of file when an idle HTTP/1
//! connection is to be retired, and lingers when it closes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    conn::{Conn, Place},
    linger::Linger,
    order::Order,
    pong::{Frames, PREFACE},
    rooms::Room,
    transport::{Protocol, Transport},
};

/// A connection's transport. It keeps the connection counted, also after an upgrade, until it is dropped.
pub(crate) struct Io {
    transport: Transport,
    conn: Arc<Conn>,
    sniffed: Sniffed,
    /// HTTP/2 alone.
    frames: Option<Frames>,
    /// The client has said that it sends no more.
    ended: bool,
    closing: Closing,
    // Given up last, when the socket is closed.
    _room: Room,
}

/// What the sniff has read, and hyper has not.
#[derive(Default)]
struct Sniffed {
    bytes: [u8; PREFACE.len()],
    given: usize,
    read: usize,
}

enum Closing {
    Open,
    Lingering(Linger),
    Closed,
}

impl Io {
    pub(crate) fn new(transport: Transport, conn: Arc<Conn>, room: Room) -> Self {
        Self {
            transport,
            conn,
            sniffed: Sniffed::default(),
            frames: None,
            ended: false,
            closing: Closing::Open,
            _room: room,
        }
    }

    pub(crate) fn conn(&self) -> &Arc<Conn> {
        &self.conn
    }

    /// Reads on, no further than an HTTP/2 preface is long, and shows all that was read. `None` is the end.
    pub(crate) fn poll_sniff(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<&[u8]>>> {
        let sniffed = &mut self.sniffed;
        let mut buf = ReadBuf::new(&mut sniffed.bytes[sniffed.read..]);
        ready!(Pin::new(&mut self.transport).poll_read(cx, &mut buf))?;
        let read = buf.filled().len();
        self.ended = read == 0;
        sniffed.read += read;
        Poll::Ready(Ok((read > 0).then_some(&sniffed.bytes[..sniffed.read])))
    }

    /// What was agreed on before the first byte, if anything was.
    pub(crate) fn agreed(&self) -> Option<Protocol> {
        self.transport.agreed()
    }

    pub(crate) fn speaks_http2(&mut self) {
        self.frames = Some(Frames::new());
    }

    /// Writes what the socket's buffer takes at once, and closes.
    pub(crate) fn close_with(mut self, bytes: &[u8]) {
        self.transport.close_with(bytes);
    }

    /// Whether an HTTP/1 connection that has nothing to read may end here and now without anybody missing it.
    fn retires(&self) -> bool {
        let conn = &self.conn;
        conn.order() >= Order::Drain
            && self.frames.is_none()
            && conn.place() == Place::Idle
            && !conn.is_tunnel()
            // On the descriptor: tokio's readiness is a memory, and may not know yet of what has arrived.
            && rustix::io::ioctl_fionread(self.transport.tcp()).is_ok_and(|unread| unread == 0)
    }

    /// An upgraded connection is driven by somebody else's task, which is told of the end in this way alone.
    fn cut(&self, cx: &Context<'_>) -> io::Result<()> {
        if self.conn.is_tunnel() {
            self.conn.task.register(cx.waker());
            if self.conn.order() == Order::Cut {
                return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server is closing"));
            }
        }
        Ok(())
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.cut(cx)?;
        let before = buf.filled().len();
        this.sniffed.give(buf);
        let replayed = buf.filled().len() > before;
        if buf.remaining() > 0 {
            match Pin::new(&mut this.transport).poll_read(cx, buf) {
                // What was replayed is news enough.
                Poll::Pending | Poll::Ready(Err(_)) if replayed => {}
                Poll::Pending => {
                    this.conn.set_in_record(this.transport.is_in_record());
                    if this.retires() {
                        this.conn.close_for(crate::CloseReason::Retired);
                        return Poll::Ready(Ok(()));
                    }
                    return Poll::Pending;
                }
                Poll::Ready(read) => {
                    read?;
                    this.ended = buf.filled().len() == before;
                }
            }
        }
        let read = &buf.filled()[before..];
        this.conn.count_read(read);
        if this.frames.as_mut().is_some_and(|frames| frames.see(read)) {
            this.conn.set_ponged();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.cut(cx)?;
        let written = ready!(Pin::new(&mut this.transport).poll_write(cx, buf))?;
        this.conn.count_written(written);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.cut(cx)?;
        let written = ready!(Pin::new(&mut this.transport).poll_write_vectored(cx, bufs))?;
        this.conn.count_written(written);
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    /// hyper calls it when its own buffer is empty. An exchange ends when the transport's is, too.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(Pin::new(&mut this.transport).poll_flush(cx))?;
        if this.frames.is_none() && this.conn.flushed() && this.conn.order() >= Order::Drain {
            // hyper would not read again of itself, and so not see that it may retire now.
            cx.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    /// Says that no more will come, then reads and discards: a close with bytes unread is a reset, and a reset takes
    /// from the client the answer that it has not read yet.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.conn.is_tunnel() {
            // The two directions are closed apart: whoever holds it may still want to read.
            return Pin::new(&mut this.transport).poll_shutdown(cx);
        }
        if let Closing::Open = this.closing {
            let shut = ready!(Pin::new(&mut this.transport).poll_shutdown(cx));
            this.closing =
                if shut.is_err() || this.ended { Closing::Closed } else { Closing::Lingering(Linger::new()) };
        }
        if let Closing::Lingering(linger) = &mut this.closing {
            let discarded = ready!(linger.poll(cx, &mut this.transport));
            this.closing = Closing::Closed;
            if discarded > 0 {
                this.conn.house.figures.discarded(discarded, this.conn.reason());
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        if self.conn.would_look_whole() {
            let _ = self.transport.tcp().set_zero_linger();
        }
    }
}

impl Sniffed {
    fn give(&mut self, buf: &mut ReadBuf<'_>) {
        let bytes = &self.bytes[self.given..self.read];
        let fitting = bytes.len().min(buf.remaining());
        buf.put_slice(&bytes[..fitting]);
        self.given += fitting;
    }
}
