//! The transport, as hyper sees it.
//!
//! It counts what passes, replays what the sniff has read, tells hyper of an end of file when an idle HTTP/1
//! connection is to be retired, fails when the peer does not take what waits for it, and lingers when it closes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use rustix::event::{PollFd, PollFlags, Timespec};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    clocks::{Crumbs, Look, Patience},
    conn::{Conn, Place},
    door::Room,
    http1::Linger,
    http2::{Frames, PREFACE},
    mechanism::Mechanism,
    order::Order,
    reason::CloseReason,
    transport::{Protocol, Transport},
};

/// A connection's transport. It keeps the connection counted, also after an upgrade, until it is dropped.
pub(crate) struct Io {
    transport: Transport,
    conn: Arc<Conn>,
    sniffed: Sniffed,
    /// HTTP/2 alone: what has come, and what has gone.
    frames: Option<(Frames, Frames)>,
    /// With a peer that is to take what waits for the socket.
    patience: Patience,
    /// HTTP/1 alone.
    crumbs: Crumbs,
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
            patience: Patience::with_a_reader(&conn.clocks),
            conn,
            sniffed: Sniffed::default(),
            frames: None,
            crumbs: Crumbs::default(),
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
        self.frames = Some((Frames::of_the_client(), Frames::of_the_server()));
    }

    /// It has begun with these.
    #[cfg(feature = "axum")]
    pub(crate) fn speaks_http2_since(&mut self, begun: &[u8]) {
        let mut received = Frames::of_the_client();
        self.conn.http2.received(received.see(begun));
        self.frames = Some((received, Frames::of_the_server()));
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
            && conn.requests() > 0
            && conn.place() == Place::Idle
            && !conn.is_tunnel()
            && !self.has_unread()
    }

    /// Whether something waits in the kernel, or might. By the descriptor: tokio's readiness is a memory, and may not know
    /// yet of what has arrived.
    fn has_unread(&self) -> bool {
        let unread = self.transport.socket().map(rustix::io::ioctl_fionread);
        self.conn.house.has(Mechanism::Kernel) && !matches!(unread, Some(Ok(0)))
    }

    /// The socket takes nothing. Ready when its peer has had its time.
    fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.conn.is_tunnel() {
            // How fast that is read is between its ends.
            return Poll::Pending;
        }
        loop {
            // Not tokio's readiness, which is a memory: if it was this process that stood still, it may not know yet.
            let takes = |io: &Self| {
                let Some(socket) = io.transport.socket() else { return false };
                let mut polled = [PollFd::from_borrowed_fd(socket, PollFlags::OUT)];
                rustix::event::poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
            };
            if ready!(self.patience.poll_look(cx)) == Look::TooLong {
                if !takes(self) {
                    return Poll::Ready(self.slow_reader());
                }
                self.patience.rest();
            }
        }
    }

    /// So much of `bufs` has been written.
    fn wrote(&mut self, bufs: &[IoSlice<'_>], written: usize) -> io::Result<()> {
        if let Some((_, sent)) = &mut self.frames {
            let mut left = written;
            for buf in bufs {
                let part = &buf[..buf.len().min(left)];
                left -= part.len();
                self.conn.http2.sent(sent.see(part));
            }
        }
        if self.patience.moved(written as u64) || self.conn.is_tunnel() {
            return Ok(());
        }
        Err(self.slow_reader())
    }

    fn slow_reader(&self) -> io::Error {
        self.conn.close_for(CloseReason::SlowReader);
        io::Error::new(io::ErrorKind::TimedOut, "the client does not read what it asked for")
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
        if this.frames.is_none() {
            this.conn.more_is_asked_for();
        } else if this.conn.http2.is_hung_up() {
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        this.sniffed.give(buf);
        let replayed = buf.filled().len() > before;
        if !replayed && this.crumbs.poll_pause(cx, &this.conn).is_pending() {
            return Poll::Pending;
        }
        if buf.remaining() > 0 {
            match Pin::new(&mut this.transport).poll_read(cx, buf) {
                // What was replayed is news enough.
                Poll::Pending | Poll::Ready(Err(_)) if replayed => {}
                Poll::Pending => {
                    this.conn.set_in_record(this.transport.is_in_record());
                    if this.retires() {
                        this.conn.close_for(CloseReason::Retired);
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
        this.conn.count_read(read.len());
        if let Some((received, _)) = &mut this.frames {
            this.conn.http2.received(received.see(read));
        } else {
            if this.crumbs.see(read.len(), &this.conn) {
                this.transport.sleep();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.cut(cx)?;
        let written = match Pin::new(&mut this.transport).poll_write_vectored(cx, bufs) {
            Poll::Ready(written) => written?,
            Poll::Pending => return this.poll_unread(cx).map(Err),
        };
        this.wrote(bufs, written)?;
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    /// hyper calls it when its own buffer is empty. An exchange ends when the transport's is, too.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        match Pin::new(&mut this.transport).poll_flush(cx) {
            // A session of TLS, which takes more than its socket does.
            Poll::Pending => return this.poll_unread(cx).map(Err),
            Poll::Ready(flushed) => flushed?,
        }
        this.patience.rest();
        let flushed = this.frames.is_none() && this.conn.flushed();
        if flushed && this.conn.order() >= Order::Drain && this.conn.house.has(Mechanism::WakeOnFlush) {
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
            let shut = match Pin::new(&mut this.transport).poll_shutdown(cx) {
                // It has a last word for its peer.
                Poll::Pending => Err(ready!(this.poll_unread(cx))),
                Poll::Ready(shut) => shut,
            };
            let received = this.frames.take().map(|(received, _)| received);
            let lingers = shut.is_ok() && !this.ended && this.conn.house.has(Mechanism::Linger);
            this.closing = if lingers { Closing::Lingering(Linger::new(received)) } else { Closing::Closed };
        }
        if let Closing::Lingering(linger) = &mut this.closing {
            let discarded = ready!(linger.poll(cx, &mut this.transport));
            this.closing = Closing::Closed;
            let figures = &this.conn.house.figures;
            figures.discarded_bytes.add(discarded.bytes);
            if this.conn.discards_requests() {
                figures.discarded_requests.add(discarded.requests);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Io {
    fn drop(&mut self) {
        if self.conn.is_to_be_reset() {
            self.transport.reset_on_close();
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
