//! The thread that answers, and the handle that stops it.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError, mpsc},
    thread,
    time::Duration,
};

use macadam_health::Probed;
use macadam_serve::{HandedOver, Listener, Server};
use tokio::{join, runtime, select, sync::oneshot};

use crate::{agent::Agent, error::AdminError, place::Place, routes::Routes};

/// A running admin listener. When this is dropped it stops, and its thread is waited for.
///
/// Keep it until the very end: an operator wants to see the whole of a shutdown.
#[derive(Debug)]
#[must_use = "the admin listener stops when this is dropped"]
pub struct AdminHandle {
    local_addr: SocketAddr,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    /// Says how the start went, and is closed when all is over. In a lock only to be `Sync`.
    events: Mutex<mpsc::Receiver<io::Result<()>>>,
    thread: thread::JoinHandle<()>,
}

impl AdminHandle {
    pub(crate) fn spawn(
        place: Place,
        local_addr: SocketAddr,
        handed_over: Option<HandedOver>,
        agent: Option<Agent>,
        service: Probed<Routes>,
        watching: impl Future<Output = Infallible> + Send + 'static,
    ) -> Result<Self, AdminError> {
        let (stop, stopped) = oneshot::channel();
        let (started, events) = mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("macadam-admin".into())
            .spawn(move || run(place, handed_over, agent, service, watching, &started, stopped))
            .map_err(|source| AdminError::Thread { source })?;
        match events.recv() {
            Ok(Ok(())) => {
                let running = Some(Running { stop, events: Mutex::new(events), thread });
                Ok(Self { local_addr, running })
            }
            Ok(Err(source)) => Err(AdminError::Thread { source }),
            Err(mpsc::RecvError) => {
                Err(AdminError::Thread { source: io::Error::other("the thread panicked") })
            }
        }
    }

    /// The address where it answers.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Stops it. What it is answering is cut, and its port is free when this returns.
    ///
    /// It waits for the thread, which takes some microseconds, and for a second at most: a handle that it reads may
    /// hang, and must not keep the process from its exit.
    pub fn stop(self) {
        drop(self);
    }
}

impl Drop for AdminHandle {
    fn drop(&mut self) {
        let Some(Running { stop, events, thread }) = self.running.take() else { return };
        // Nobody listens if the thread is over already.
        let _ = stop.send(());
        let events = events.into_inner().unwrap_or_else(PoisonError::into_inner);
        if let Err(mpsc::RecvTimeoutError::Timeout) = events.recv_timeout(PATIENCE) {
            tracing::error!("the admin listener hangs in something that it reads, and is left behind");
        } else if thread.join().is_err() {
            tracing::error!("the thread of the admin listener panicked");
        }
    }
}

fn run(
    place: Place,
    handed_over: Option<HandedOver>,
    agent: Option<Agent>,
    service: Probed<Routes>,
    watching: impl Future<Output = Infallible>,
    started: &mpsc::SyncSender<io::Result<()>>,
    stopped: oneshot::Receiver<()>,
) {
    // The runtime is made here and not by the caller: one must not be dropped inside another, not even on an error.
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    let started_with = |result| {
        // The caller waits for it, unless it is gone too.
        let _ = started.send(result);
    };
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return started_with(Err(error)),
    };
    runtime.block_on(async {
        let handed_over_too = handed_over.clone();
        let asked = async {
            if let Some(agent) = agent {
                agent.run(handed_over_too).await;
            }
        };
        let answer = async {
            // Nobody waits for an address that another process has.
            let waits = matches!(place, Place::Taken(_));
            if waits {
                started_with(Ok(()));
            }
            let listener = match place.listen("the admin listener").await {
                Ok(listener) => listener,
                Err(error) if waits => {
                    return tracing::error!(%error, "the admin listener cannot have its address");
                }
                Err(error) => return started_with(Err(error)),
            };
            if !waits {
                started_with(Ok(()));
            }
            let listener = Listener::from(listener);
            let listener = handed_over.into_iter().fold(listener, Listener::until);
            let server = Server::new(listener)
                .max_connections(MAX_CONNECTIONS)
                .first_byte(SHORT)
                .header(SHORT)
                .request_body_idle(SHORT);
            // Without a phase it serves until it is handed over.
            server.serve(service).await;
        };
        select! {
            ((), ()) = async { join!(answer, asked) } => {}
            _ = stopped => {}
            never = watching => match never {},
        }
    });
    // Dropped, it would wait for a scrape that hangs.
    runtime.shutdown_background();
}

/// Platforms, operators and scrapers are few; at the cap whoever has been silent longest makes room.
const MAX_CONNECTIONS: usize = 128;
/// For the first byte, a head and a body. Idle connections keep serve's 75 s: scrapers come back every 15 to 60 s,
/// and closing at just that moment would fail one.
const SHORT: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(1);
