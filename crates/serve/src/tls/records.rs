//! Sees whether a socket has been left within a TLS record.
//!
//! rustls keeps what has come of a record until all of it is there, and does not say that it does. Half a request may
//! lie in it, and a connection with half a request is not idle. The heads of records are not encrypted, and finding
//! them takes one look at each.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket, and where in its records the client is.
pub(crate) struct Records<S> {
    socket: S,
    walk: Walk,
}

/// Walks the records that a client sends.
#[derive(Default)]
struct Walk {
    /// Bytes left of a record's payload.
    skip: usize,
    head: [u8; HEAD],
    seen: usize,
}

impl<S> Records<S> {
    pub(super) fn on(socket: S) -> Self {
        Self { socket, walk: Walk::default() }
    }

    pub(crate) fn tcp(&self) -> &S {
        &self.socket
    }

    pub(crate) fn is_in_record(&self) -> bool {
        self.walk.is_in_record()
    }
}

impl Walk {
    fn is_in_record(&self) -> bool {
        self.skip > 0 || self.seen > 0
    }

    fn on_through(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];

            let taken = (HEAD - self.seen).min(bytes.len());
            self.head[self.seen..self.seen + taken].copy_from_slice(&bytes[..taken]);
            self.seen += taken;
            bytes = &bytes[taken..];
            if self.seen == HEAD {
                let [_, _, _, a, b] = self.head;
                self.skip = usize::from(a) << 8 | usize::from(b);
                self.seen = 0;
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Records<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.socket).poll_read(cx, buf))?;
        this.walk.on_through(&buf.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Records<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

/// Type, version and length, by RFC 8446, section 5.1.
const HEAD: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_over_with_its_last_byte_wherever_the_reads_are_cut() {
        // The payload of the second looks like the head of a long one.
        let bytes =
            [&[22, 3, 1, 0, 2, 9, 9][..], &[23, 3, 3, 0, 5, 23, 3, 3, 255, 255], &[21, 3, 3, 0, 0]].concat();
        let ends = [0, 7, 17, 22];
        for size in 1..=bytes.len() {
            let mut walk = Walk::default();
            let mut read = 0;
            for chunk in bytes.chunks(size) {
                walk.on_through(chunk);
                read += chunk.len();
                assert_eq!(walk.is_in_record(), !ends.contains(&read), "{read} bytes in reads of {size}");
            }
        }
    }
}
