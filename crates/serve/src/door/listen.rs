//! A listening socket.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;

use crate::hand_over::{HandOver, Listener, Origin};

/// How to listen on an address.
///
/// `SO_REUSEADDR` is set: a server that restarts need not wait for the connections of the one before to be forgotten.
#[derive(Clone, Debug)]
pub struct Listen {
    pub(crate) address: SocketAddr,
    backlog: i32,
    reuse_port: bool,
    hand_over: HandOver,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "nobody is asked there"))]
    pub(crate) service: String,
    pub(crate) companion: Option<Companion>,
}

/// Another address of the process.
#[derive(Clone, Debug)]
pub(crate) struct Companion {
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is no systemd"))]
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
}

impl Listen {
    /// Listens on this address; with port 0, on a free one.
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            backlog: 4096,
            reuse_port: false,
            hand_over: HandOver::default(),
            service: String::new(),
            companion: None,
        }
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

    /// From where [`listen`](Self::listen) gets the socket, and whether it is given on.
    #[must_use]
    pub fn hand_over(mut self, way: HandOver) -> Self {
        self.hand_over = way;
        self
    }

    /// The service's name, to its 255th byte. An instance gives its socket only to one of the same service.
    #[must_use]
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = name.into();
        self
    }

    /// Another address of the process whose socket goes along, with the name that systemd has for it
    /// (`FileDescriptorName=`). That it cannot be had does not keep the first one from being listened on.
    #[must_use]
    pub fn companion(mut self, name: &'static str, address: SocketAddr) -> Self {
        self.companion = Some(Companion { name, address });
        self
    }

    /// Listens, on a socket that systemd or another instance of the service had before if [`hand_over`](Self::hand_over)
    /// says so. It must be called inside a tokio runtime.
    ///
    /// Another instance goes on accepting until a [`Server`](crate::Server) on this socket serves, for a minute at most.
    /// With port 0 nobody is asked, and nobody can.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind); where another service listens there, whose name the error has; and where systemd passed what
    /// cannot be listened on, or nothing and [`HandOver::Systemd`] was asked for.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has taken nothing from anybody.
    pub async fn listen(&self) -> io::Result<Listener> {
        #[cfg(unix)]
        if matches!(self.hand_over, HandOver::Auto | HandOver::Systemd) {
            if let Some(listener) = crate::hand_over::inherit(self)? {
                return Ok(listener);
            }
        }
        if self.hand_over == HandOver::Systemd {
            return Err(io::Error::new(io::ErrorKind::NotFound, NO_SYSTEMD));
        }
        #[cfg(target_os = "linux")]
        if self.is_passed() {
            return crate::hand_over::take_or_bind(self).await;
        }
        let companion = self.companion.as_ref().map(Companion::bind);
        Ok(Listener::alone(self.bind()?, Origin::Bound).with_companion(companion))
    }

    #[cfg(target_os = "linux")]
    fn is_passed(&self) -> bool {
        let is_asked_for = match self.hand_over {
            HandOver::Auto => !self.reuse_port,
            HandOver::Pass => true,
            HandOver::Systemd | HandOver::Close => false,
        };
        is_asked_for && self.address.port() != 0
    }

    /// Binds and listens. It must be called inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// Whatever the system says of the address: in use, not ours, not permitted.
    pub fn bind(&self) -> io::Result<TcpListener> {
        TcpListener::from_std(self.bind_std()?)
    }

    pub(crate) fn bind_std(&self) -> io::Result<StdListener> {
        let socket = Socket::new(Domain::for_address(self.address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?;
        if self.reuse_port {
            socket.set_reuse_port(true)?;
        }
        socket.set_nonblocking(true)?;
        socket.bind(&self.address.into())?;
        socket.listen(self.backlog)?;
        Ok(socket.into())
    }
}

impl Companion {
    pub(crate) fn bind(&self) -> io::Result<StdListener> {
        Listen::new(self.address).bind_std()
    }
}

const NO_SYSTEMD: &str = "systemd has made no socket for this process (LISTEN_FDS)";
