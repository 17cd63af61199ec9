//! Accepting, and what to do when that fails.

use std::{io, net::SocketAddr};

use rustix::io::Errno;
use socket2::SockRef;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{Duration, Instant, sleep},
};
use tracing::warn;

/// Accepts connections, and slows down where the system has nothing left to make them of.
pub(crate) struct Acceptor {
    listener: TcpListener,
    pause: Duration,
    may_log_at: Option<Instant>,
}

impl Acceptor {
    pub(crate) fn new(listener: TcpListener) -> Self {
        Self { listener, pause: SHORTEST, may_log_at: None }
    }

    /// The next connection, or the error that has come instead of it, after the pause that it asks for.
    ///
    /// Dropped, it has accepted nothing.
    pub(crate) async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let accepted = self.listener.accept().await;
        match &accepted {
            Ok(_) => self.pause = SHORTEST,
            // The connection failed, not the listener.
            Err(error) if is_of_the_connection(error) => {}
            Err(error) => {
                self.log(error);
                let pause = self.pause;
                self.pause = (pause * 2).min(LONGEST);
                sleep(pause).await;
            }
        }
        accepted
    }

    /// The connections that the kernel has made by now and nobody has accepted: closing would reset them.
    pub(crate) fn rest(&mut self) -> impl Iterator<Item = (TcpStream, SocketAddr)> {
        // On the socket itself: tokio's readiness is a memory, and may not know yet of who has come.
        let listener = SockRef::from(&self.listener);
        std::iter::from_fn(move || {
            let (stream, peer) = loop {
                match listener.accept() {
                    Err(error) if is_of_the_connection(&error) => {}
                    accepted => break accepted.ok()?,
                }
            };
            stream.set_nonblocking(true).ok()?;
            Some((TcpStream::from_std(stream.into()).ok()?, peer.as_socket()?))
        })
    }

    fn log(&mut self, error: &io::Error) {
        let now = Instant::now();
        if self.may_log_at.is_none_or(|at| now >= at) {
            self.may_log_at = Some(now + BETWEEN_LOGS);
            warn!(%error, "cannot accept connections for now");
        }
    }
}

/// What Linux passes on from the new connection, by accept(2), and an interrupted call.
fn is_of_the_connection(error: &io::Error) -> bool {
    error.raw_os_error().map(Errno::from_raw_os_error).is_some_and(|errno| OF_THE_CONNECTION.contains(&errno))
}

const OF_THE_CONNECTION: [Errno; 13] = [
    Errno::CONNABORTED,
    Errno::CONNRESET,
    Errno::CONNREFUSED,
    Errno::HOSTDOWN,
    Errno::HOSTUNREACH,
    Errno::INTR,
    Errno::NETDOWN,
    Errno::NETUNREACH,
    Errno::NOPROTOOPT,
    Errno::OPNOTSUPP,
    Errno::PERM,
    Errno::PROTO,
    Errno::TIMEDOUT,
];
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(1);
const BETWEEN_LOGS: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn want_of_descriptors_or_memory_is_the_listeners_and_a_reset_the_connections() {
        let of = |errno: Errno| is_of_the_connection(&errno.into());
        assert!(![Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM].into_iter().any(of));
        assert!([Errno::CONNABORTED, Errno::CONNRESET, Errno::PROTO].into_iter().all(of));
    }
}
