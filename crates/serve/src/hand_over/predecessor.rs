//! A process that starts, and the instance from which it gets its sockets.

use std::{
    io::{self, ErrorKind},
    net::TcpListener as StdListener,
    os::{fd::AsFd, unix::net::UnixListener as StdUnixListener},
};

use tokio::{
    net::{TcpListener, UnixListener, UnixStream},
    time::{Duration, Instant, sleep, timeout_at},
};
use tracing::{info, warn};

use super::{
    Listener, Next, Origin, Succession,
    protocol::{self, Answer},
    successors::Successors,
};
use crate::door::{Companion, Listen};

/// What an ask comes to.
enum Asked {
    Given(Given),
    /// Nobody has the name.
    Nobody,
    /// Whoever had it is gone, or is about to be.
    Gone,
}

/// What a predecessor gave.
struct Given {
    tcp: StdListener,
    unix: StdUnixListener,
    companion: Option<StdListener>,
    predecessor: UnixStream,
}

/// The sockets of an instance that listens there already, if there is one, else new ones; either way with the name by which
/// the next instance finds this one.
pub(crate) async fn take_or_bind(listen: &Listen) -> io::Result<Listener> {
    let address = listen.address;
    let until = Instant::now() + PATIENCE;
    loop {
        let ask = timeout_at(until, ask(listen)).await;
        match ask.unwrap_or_else(|_| Err(io::Error::new(ErrorKind::TimedOut, "it does not answer"))) {
            Ok(Asked::Given(given)) => {
                info!(%address, "given the listening socket by the instance that had it");
                return given.into_listener(listen);
            }
            // Two that start at once would both find nobody: who has the name binds, the other one asks again.
            Ok(Asked::Nobody) => match UnixListener::bind(protocol::path_of(address)) {
                Ok(unix) => return bind(listen, Some(unix)),
                Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < until => {}
                Err(error) => {
                    warn!(%address, %error, "this instance cannot hand its listening socket over");
                    return bind(listen, None);
                }
            },
            Ok(Asked::Gone) if Instant::now() < until => sleep(AGAIN).await,
            Ok(Asked::Gone) => return bind(listen, None),
            Err(error) if error.kind() == ErrorKind::AddrInUse => return Err(error),
            // It is no instance of ours, or a sick one. If it has the address too, binding says so.
            Err(error) => {
                warn!(%address, %error, "the instance at this address does not hand its listening socket over");
                return bind(listen, None);
            }
        }
    }
}

async fn ask(listen: &Listen) -> io::Result<Asked> {
    let Ok(mut stream) = UnixStream::connect(protocol::path_of(listen.address)).await else {
        return Ok(Asked::Nobody);
    };
    protocol::check_user(&stream)?;
    let answer = async {
        protocol::ask(&mut stream, &listen.service).await?;
        protocol::answer(&mut stream).await
    };
    match answer.await {
        Ok(Answer::Sockets(sockets)) => {
            let mut sockets = sockets.into_iter();
            let (Some(tcp), Some(unix)) = (sockets.next(), sockets.next()) else {
                return Err(io::Error::new(ErrorKind::InvalidData, "it sends no sockets"));
            };
            let tcp = StdListener::from(tcp);
            if tcp.local_addr()? != listen.address {
                return Err(io::Error::new(ErrorKind::InvalidData, "it sends another address' socket"));
            }
            let wanted = listen.companion.as_ref().map(|companion| companion.address);
            let companion = sockets.map(StdListener::from).find(|socket| socket.local_addr().ok() == wanted);
            Ok(Asked::Given(Given { tcp, unix: unix.into(), companion, predecessor: stream }))
        }
        Ok(Answer::Kept(service)) => {
            let why = format!("{service:?} listens there, which is another service");
            Err(io::Error::new(ErrorKind::AddrInUse, why))
        }
        Err(error) => match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => Ok(Asked::Gone),
            _ => Err(error),
        },
    }
}

impl Given {
    fn into_listener(self, listen: &Listen) -> io::Result<Listener> {
        let Self { tcp, unix, companion, predecessor } = self;
        let companion = companion.map(Ok).or_else(|| listen.companion.as_ref().map(Companion::bind));
        // Every owner of a socket shares this mode of it.
        tcp.set_nonblocking(true)?;
        unix.set_nonblocking(true)?;
        let unix = UnixListener::from_std(unix)?;
        listener(listen, tcp, companion, Origin::Predecessor, Some((unix, Some(predecessor))))
    }
}

fn bind(listen: &Listen, unix: Option<UnixListener>) -> io::Result<Listener> {
    let tcp = listen.bind_std()?;
    let companion = listen.companion.as_ref().map(Companion::bind);
    listener(listen, tcp, companion, Origin::Bound, unix.map(|unix| (unix, None)))
}

fn listener(
    listen: &Listen,
    tcp: StdListener,
    companion: Option<io::Result<StdListener>>,
    origin: Origin,
    heard_by: Option<(UnixListener, Option<UnixStream>)>,
) -> io::Result<Listener> {
    let next = match heard_by {
        Some((unix, predecessor)) => {
            let mut sockets = vec![tcp.as_fd().try_clone_to_owned()?];
            if let Some(Ok(companion)) = &companion {
                sockets.push(companion.as_fd().try_clone_to_owned()?);
            }
            Next::Asks(Successors::new(unix, sockets, listen.service.clone(), predecessor))
        }
        None => Next::Nobody,
    };
    let listener = Listener::new(TcpListener::from_std(tcp)?, origin, Succession::new(next));
    Ok(listener.with_companion(companion))
}

/// From the first ask to the sockets: before this one there may be others in the queue.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_millis(10);
