//! A listening socket.

use std::{io, net::SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

/// How to listen on an address.
///
/// `SO_REUSEADDR` is set: a server that restarts need not wait for the connections of the one before to be forgotten.
#[derive(Clone, Debug)]
pub struct Listen {
    address: SocketAddr,
    backlog: i32,
    reuse_port: bool,
}

impl Listen {
    /// Listens on this address; with port 0, on a free one.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, backlog: 4096, reuse_port: false }
    }

    /// How many connections the kernel holds that have not been accepted (4096; it has a limit of its own).
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = i32::try_from(connections).unwrap_or(i32::MAX);
        self
    }

    /// Sets `SO_REUSEPORT`: several processes of one user may listen here, and the kernel shares out among them. When
    /// one of them closes, what it had not accepted is reset.
    #[must_use]
    pub fn reuse_port(mut self, reuse: bool) -> Self {
        self.reuse_port = reuse;
        self
    }

    /// Binds and listens. It must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// Whatever the system says of the address: in use, not ours, not permitted.
    pub fn bind(&self) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&self.address.into())?;
        socket.listen(self.backlog)?;
        TcpListener::from_std(socket.into())
    }
}
