//! From where a listening socket comes, and to whom it goes.

#[cfg(target_os = "linux")]
mod predecessor;
#[cfg(target_os = "linux")]
mod protocol;
#[cfg(target_os = "linux")]
mod successors;
#[cfg(unix)]
mod systemd;

use std::{
    fmt,
    future::pending,
    io,
    net::{SocketAddr, TcpListener as StdListener},
};

use tokio::{net::TcpListener, sync::watch};

#[cfg(target_os = "linux")]
pub(crate) use self::predecessor::take_or_bind;
#[cfg(target_os = "linux")]
use self::successors::Successors;
#[cfg(unix)]
pub(crate) use self::systemd::inherit;

/// From where a process gets its listening socket when it starts, and whether it gives it to the one that comes after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandOver {
    /// [`Systemd`](Self::Systemd) where systemd has made the socket, else [`Pass`](Self::Pass). With
    /// [`reuse_port`](crate::Listen::reuse_port), by which several are to listen side by side, nobody is asked.
    #[default]
    Auto,
    /// The socket that systemd has made, and keeps: connections wait in it while the service restarts.
    Systemd,
    /// The socket is asked of an instance that listens on the address, and bound if there is none; and given to who asks
    /// for it. Linux has it; elsewhere this is [`Close`](Self::Close).
    Pass,
    /// It is bound, and closed at the end.
    Close,
}

impl HandOver {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Systemd => "systemd",
            Self::Pass => "pass",
            Self::Close => "close",
        }
    }
}

/// Where a listening socket came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// It was bound here.
    Bound,
    /// It is systemd's.
    Systemd,
    /// Another instance of the service gave it, and stops to accept when this one serves.
    Predecessor,
}

/// A listening socket, and what there is to say to those who had it before and want it next.
///
/// [`Listen::listen`](crate::Listen::listen) makes one. A [`TcpListener`] of one's own is one that nobody else gets.
pub struct Listener {
    pub(crate) socket: TcpListener,
    companion: Option<io::Result<StdListener>>,
    origin: Origin,
    pub(crate) succession: Succession,
}

impl Listener {
    fn new(socket: TcpListener, origin: Origin, succession: Succession) -> Self {
        Self { socket, companion: None, origin, succession }
    }

    /// One that nobody is given.
    pub(crate) fn alone(socket: TcpListener, origin: Origin) -> Self {
        Self::new(socket, origin, Succession::new(Next::Nobody))
    }

    pub(crate) fn with_companion(mut self, companion: Option<io::Result<StdListener>>) -> Self {
        self.companion = companion;
        self
    }

    /// Ends accepting when that socket is handed over: for a second server of the process, whose socket goes along.
    #[must_use]
    pub fn until(mut self, handed_over: HandedOver) -> Self {
        self.succession = Succession::new(Next::With(handed_over));
        self
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of the system's `getsockname`.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Where the socket came from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The socket of the [companion](crate::Listen::companion), once, if there is to be one: it came along, or it is
    /// bound, or it cannot be.
    pub fn take_companion(&mut self) -> Option<io::Result<StdListener>> {
        self.companion.take()
    }

    /// Tells when the socket has been handed over.
    pub fn handed_over(&self) -> HandedOver {
        self.succession.handed_over()
    }
}

impl From<TcpListener> for Listener {
    fn from(socket: TcpListener) -> Self {
        Self::alone(socket, Origin::Bound)
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("socket", &self.socket)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Tells when a listening socket has been handed over: another process accepts on it, and this one no more.
#[derive(Clone, Debug)]
pub struct HandedOver {
    happened: watch::Receiver<bool>,
}

impl HandedOver {
    /// Of a socket that nobody hands over.
    #[cfg(feature = "axum")]
    pub(crate) fn never() -> Self {
        Self { happened: watch::Sender::new(false).subscribe() }
    }

    /// Whether it has been.
    pub fn has_happened(&self) -> bool {
        *self.happened.borrow()
    }

    /// Resolves when it has been, and never if it is not.
    pub async fn happens(&self) {
        if self.happened.clone().wait_for(|happened| *happened).await.is_err() {
            pending::<()>().await;
        }
    }
}

/// Who has the socket next.
pub(crate) struct Succession {
    happened: watch::Sender<bool>,
    next: Next,
}

enum Next {
    Nobody,
    /// Who has another one.
    With(HandedOver),
    /// Who asks for it.
    #[cfg(target_os = "linux")]
    Asks(Successors),
}

impl Succession {
    fn new(next: Next) -> Self {
        Self { happened: watch::Sender::new(false), next }
    }

    pub(crate) fn handed_over(&self) -> HandedOver {
        HandedOver { happened: self.happened.subscribe() }
    }

    /// Says to who had the socket before that this process accepts now, and answers who asks for it. Ready when somebody
    /// else accepts on it: then this process must not, and leaves in the queue what is there.
    pub(crate) async fn pass_on(&mut self) {
        match &mut self.next {
            Next::Nobody => pending().await,
            Next::With(other) => other.happens().await,
            #[cfg(target_os = "linux")]
            Next::Asks(successors) => successors.pass_on().await,
        }
        self.happened.send_replace(true);
    }
}
