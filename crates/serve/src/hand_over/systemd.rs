//! The sockets that systemd has made, by `sd_listen_fds(3)`.

use std::{
    env,
    io::{self, ErrorKind},
    net::TcpListener as StdListener,
    sync::Mutex,
};

use listenfd::ListenFd;
use tokio::net::TcpListener;
use tracing::{info, warn};

use super::{Listener, Origin};
use crate::door::{Companion, Listen};

/// The socket that systemd made for this process, if it did.
///
/// That is the one with the address, else the first; and for the companion the one with its name or its address.
pub(crate) fn inherit(listen: &Listen) -> io::Result<Option<Listener>> {
    let mut sockets = take()?;
    if sockets.is_empty() {
        return Ok(None);
    }
    let mut pick = |is_it: &dyn Fn(&Named) -> bool| {
        let found = sockets.iter().position(is_it)?;
        Some(sockets.remove(found).socket)
    };
    let companion = listen.companion.as_ref().and_then(|companion| {
        pick(&|socket| socket.name == companion.name)
            .or_else(|| pick(&|socket| socket.is_at(companion.address)))
    });
    let tcp = pick(&|socket| socket.is_at(listen.address)).or_else(|| pick(&|_| true));
    for Named { name, socket } in sockets {
        warn!(name, ?socket, "systemd made a socket that nobody here listens on");
    }
    let tcp = tcp.ok_or_else(|| {
        wrong("systemd made no socket but the companion's: add a ListenStream= for the service")
    })?;
    for socket in companion.iter().chain([&tcp]) {
        if !rustix::net::sockopt::socket_acceptconn(socket)? {
            return Err(wrong("systemd's socket does not listen: its unit needs Accept=no"));
        }
        socket.set_nonblocking(true)?;
    }
    info!(address = ?tcp.local_addr().ok(), "listening on the socket of systemd");
    let companion = companion.map(Ok).or_else(|| listen.companion.as_ref().map(Companion::bind));
    Ok(Some(Listener::alone(TcpListener::from_std(tcp)?, Origin::Systemd).with_companion(companion)))
}

struct Named {
    name: String,
    socket: StdListener,
}

impl Named {
    fn is_at(&self, address: std::net::SocketAddr) -> bool {
        self.socket.local_addr().is_ok_and(|is| is == address)
    }
}

/// All of them, with close-on-exec set. The variables are gone then, so that there is one who takes them.
fn take() -> io::Result<Vec<Named>> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock();
    // Those of another process are inherited by mistake: a shell's, or a parent's that did not clean up.
    let is_for_us = env::var("LISTEN_PID").is_ok_and(|pid| pid == std::process::id().to_string());
    if !is_for_us {
        return Ok(Vec::new());
    }
    let names = env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    let mut sockets = ListenFd::from_env();
    let mut taken = Vec::new();
    for index in 0..sockets.len() {
        let name = names.next().unwrap_or_default().to_owned();
        match sockets.take_tcp_listener(index) {
            Ok(Some(socket)) => taken.push(Named { name, socket }),
            Ok(None) => {}
            Err(error) => {
                return Err(wrong(format!("systemd passed something that is no TCP socket: {error}")));
            }
        }
    }
    Ok(taken)
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, what.into())
}
