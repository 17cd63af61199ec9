//! A socket, and what is spoken on it below HTTP.

use std::{
    io::{self, IoSlice, Write},
    mem,
    net::Shutdown,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::JoinSet,
    time::{Duration, Instant},
};

use crate::{clocks::Alarm, conn::Conn, reason::CloseReason};

/// A connection's socket, or the TLS session on it.
pub(crate) enum Transport {
    Tcp(TcpStream),
    /// A socket from which nobody wants to hear for a while.
    Asleep(std::net::TcpStream),
    /// The driver has not taken it, or not given it.
    Lost,
    // Boxed: a plain connection does not pay for it.
    #[cfg(feature = "tls")]
    Tls(Box<crate::tls::Session>),
}

/// How an accepted socket becomes a transport.
#[derive(Clone, Debug)]
pub(crate) enum Door {
    Plain,
    #[cfg(feature = "tls")]
    Tls(Arc<crate::tls::Tls>),
}

/// A transport on which the client may speak.
pub(crate) struct Opened {
    pub(crate) transport: Transport,
    /// Since when.
    pub(crate) since: Instant,
    pub(crate) alarm: Alarm,
}

/// What is spoken on it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Door {
    /// Opens it to a socket that was accepted at `accepted`, or says why it stays closed.
    pub(crate) async fn open(
        &self,
        tcp: TcpStream,
        conn: &Arc<Conn>,
        accepted: Instant,
    ) -> Result<Opened, CloseReason> {
        match self {
            Self::Plain => Ok(Opened {
                transport: Transport::Tcp(tcp),
                since: accepted,
                alarm: Alarm::at(accepted + conn.clocks.first_byte),
            }),
            // Boxed, as above: the task of a plain connection stays as small as it is.
            #[cfg(feature = "tls")]
            Self::Tls(tls) => Box::pin(tls.shake_hands(tcp, conn, accepted)).await,
        }
    }

    /// Keeps the certificate fresh until what this returns is dropped.
    pub(crate) fn watch(&self) -> JoinSet<()> {
        match self {
            Self::Plain => JoinSet::new(),
            #[cfg(feature = "tls")]
            Self::Tls(tls) => {
                let mut tasks = JoinSet::new();
                tasks.spawn(Arc::clone(tls).watch());
                tasks
            }
        }
    }
}

macro_rules! of_each {
    ($transport:expr, $stream:ident => $done:expr) => {
        match $transport {
            Transport::Tcp($stream) => $done,
            // Whoever wants something of it has woken it.
            Transport::Asleep(_) | Transport::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            #[cfg(feature = "tls")]
            Transport::Tls($stream) => $done,
        }
    };
}

impl Transport {
    pub(crate) fn socket(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tcp(tcp) => Some(tcp.as_fd()),
            Self::Asleep(tcp) => Some(tcp.as_fd()),
            Self::Lost => None,
            #[cfg(feature = "tls")]
            Self::Tls(session) => Some(session.get_ref().0.tcp().as_fd()),
        }
    }

    /// Takes a plain socket from the driver, so that what comes on it wakes nobody, until it is used.
    pub(crate) fn sleep(&mut self) {
        *self = match mem::replace(self, Self::Lost) {
            Self::Tcp(tcp) => tcp.into_std().map_or(Self::Lost, Self::Asleep),
            other => other,
        };
    }

    /// Has its close say that something went wrong.
    pub(crate) fn reset_on_close(&self) {
        if let Some(socket) = self.socket() {
            let _ = socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO));
        }
    }

    fn awake(&mut self) -> io::Result<&mut Self> {
        if let Self::Asleep(_) = self {
            if let Self::Asleep(tcp) = mem::replace(self, Self::Lost) {
                *self = Self::Tcp(TcpStream::from_std(tcp)?);
            }
        }
        Ok(self)
    }

    /// What the handshake has settled, if it has.
    pub(crate) fn agreed(&self) -> Option<Protocol> {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(session) => crate::tls::agreed(session),
            _ => None,
        }
    }

    /// Whether something has been read off the socket that is no byte of the client's yet: part of a TLS record.
    ///
    /// Meaningful when there is nothing to read.
    pub(crate) fn is_in_record(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(session) => session.get_ref().0.is_in_record(),
            _ => false,
        }
    }

    /// Writes what the socket's buffer takes at once, and closes.
    pub(crate) fn close_with(&mut self, bytes: &[u8]) {
        if let Self::Asleep(tcp) = self {
            // Woken for this it would not know yet that it can be written to.
            let _ = tcp.write(bytes);
            let _ = tcp.shutdown(Shutdown::Write);
            return;
        }
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _ = Pin::new(&mut *self).poll_write(&mut cx, bytes);
        let _ = Pin::new(self).poll_shutdown(&mut cx);
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().awake()? {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Self::Asleep(_) | Self::Lost => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
            #[cfg(feature = "tls")]
            Self::Tls(session) => match Pin::new(session).poll_read(cx, buf) {
                // Without a close_notify. Many clients leave it out, and no request needs it: each says how long it is.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Poll::Ready(Ok(()))
                }
                read => read,
            },
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        of_each!(self.get_mut().awake()?, stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        of_each!(self.get_mut().awake()?, stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Self::Tls(session) => session.is_write_vectored(),
            _ => true,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_flush(cx),
            // What it has taken is with the kernel. hyper asks at each of its polls, and nobody is woken for that.
            Self::Asleep(_) | Self::Lost => Poll::Ready(Ok(())),
            #[cfg(feature = "tls")]
            Self::Tls(session) => Pin::new(session).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_each!(self.get_mut().awake()?, stream => Pin::new(stream).poll_shutdown(cx))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_connection_does_not_grow_for_tls() {
        assert_eq!(size_of::<Transport>(), size_of::<TcpStream>());
    }
}
