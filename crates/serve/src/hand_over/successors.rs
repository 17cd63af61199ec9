//! A process that serves, and those who ask it for its sockets.

use std::{
    future::pending,
    io::{self, ErrorKind},
    os::fd::{AsFd, OwnedFd},
};

use tokio::{
    net::{UnixListener, UnixStream},
    time::{Duration, sleep, timeout},
};
use tracing::{debug, info, warn};

use super::protocol;

/// Gives the sockets to the first successor that accepts on them.
pub(crate) struct Successors {
    /// The TCP socket, and the companion's. Closed before the name goes: who finds nobody there finds the address free.
    sockets: Vec<OwnedFd>,
    unix: UnixListener,
    service: String,
    predecessor: Option<UnixStream>,
}

impl Successors {
    pub(super) fn new(
        unix: UnixListener,
        sockets: Vec<OwnedFd>,
        service: String,
        predecessor: Option<UnixStream>,
    ) -> Self {
        Self { sockets, unix, service, predecessor }
    }

    /// Tells the predecessor that it may stop, and waits for a successor that says so to us.
    ///
    /// One at a time: the others wait in the queue of a socket that goes to the first.
    pub(crate) async fn pass_on(&mut self) {
        if let Some(mut predecessor) = self.predecessor.take() {
            // If that fails it is gone, or waits no more: both accept, and whoever ends it will end it.
            if let Err(error) = protocol::say_ready(&mut predecessor).await {
                info!(%error, "the instance that gave the listening socket does not wait for this one any more");
            }
        }
        loop {
            match self.unix.accept().await {
                Ok((successor, _)) => match self.give_to(successor).await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => warn!(%error, "nobody took the listening socket over: serving on"),
                },
                Err(error) => {
                    debug!(%error, "cannot hear who asks for the listening socket");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    /// Whether this one has the sockets now, and accepts.
    async fn give_to(&self, mut successor: UnixStream) -> io::Result<bool> {
        protocol::check_user(&successor)?;
        let process = successor.peer_cred()?.pid();
        let asked = within(TO_ASK, protocol::asked(&mut successor)).await?;
        if !protocol::is_named(&asked, &self.service) {
            warn!(service = ?asked, process, "another service asks for the listening socket, and does not get it");
            within(TO_ASK, protocol::keep(&mut successor, &self.service)).await?;
            return Ok(false);
        }
        let [tcp, companion @ ..] = &*self.sockets else { return pending().await };
        let mut sockets = vec![tcp.as_fd(), self.unix.as_fd()];
        sockets.extend(companion.iter().map(AsFd::as_fd));
        within(TO_ASK, protocol::give(&successor, &sockets)).await?;
        info!(process, "a successor has the listening socket, and is awaited");
        within(TO_GET_READY, protocol::hear_ready(&mut successor)).await?;
        info!(process, "a successor accepts: the listening socket is handed over");
        Ok(true)
    }
}

async fn within<T>(limit: Duration, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, doing)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(ErrorKind::TimedOut, "it took too long")))
}

/// From a connection to its ask, and from that to the answer. Others wait meanwhile.
const TO_ASK: Duration = Duration::from_secs(1);
/// From the sockets to the word that they are accepted on: all that a service does between the two.
const TO_GET_READY: Duration = Duration::from_secs(60);
/// After a failed accept.
const PAUSE: Duration = Duration::from_millis(100);
