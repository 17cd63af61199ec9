//! A socket, and what is spoken on it below HTTP.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::JoinSet,
    time::Instant,
};

use crate::{alarm::Alarm, conn::Conn, reason::CloseReason};

/// A connection's socket, or the TLS session on it.
pub(crate) enum Transport {
    Tcp(TcpStream),
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
            #[cfg(feature = "tls")]
            Transport::Tls($stream) => $done,
        }
    };
}

impl Transport {
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Tcp(tcp) => tcp,
            #[cfg(feature = "tls")]
            Self::Tls(session) => session.get_ref().0.tcp(),
        }
    }

    /// What the handshake has settled, if it has.
    pub(crate) fn agreed(&self) -> Option<Protocol> {
        match self {
            Self::Tcp(_) => None,
            #[cfg(feature = "tls")]
            Self::Tls(session) => crate::tls::agreed(session),
        }
    }

    /// Whether something has been read off the socket that is no byte of the client's yet: part of a TLS record.
    ///
    /// Meaningful when there is nothing to read.
    pub(crate) fn is_in_record(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            #[cfg(feature = "tls")]
            Self::Tls(session) => session.get_ref().0.is_in_record(),
        }
    }

    /// Writes what the socket's buffer takes at once, and closes.
    pub(crate) fn close_with(&mut self, bytes: &[u8]) {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let _ = Pin::new(&mut *self).poll_write(&mut cx, bytes);
        let _ = Pin::new(self).poll_shutdown(&mut cx);
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, buf),
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
        of_each!(self.get_mut(), stream => Pin::new(stream).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        of_each!(self.get_mut(), stream => Pin::new(stream).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        of_each!(self, stream => stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_each!(self.get_mut(), stream => Pin::new(stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        of_each!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(cx))
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
