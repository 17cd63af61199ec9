//! The signals that ask a process to leave.

use std::{future, io};

/// SIGTERM and SIGINT; on Windows, Ctrl-C.
#[derive(Debug)]
pub(crate) enum Signals {
    On(Listener),
    Off,
}

impl Signals {
    /// Listens, if it is to, from within the runtime that will be woken.
    ///
    /// That is never undone: from here on these signals do not end the process by themselves.
    pub(crate) fn listen(on: bool) -> io::Result<Self> {
        if on { Listener::new().map(Self::On) } else { Ok(Self::Off) }
    }

    /// The name of the next one. Nothing is lost when it is dropped.
    pub(crate) async fn next(&mut self) -> &'static str {
        match self {
            Self::On(listener) => listener.next().await,
            Self::Off => future::pending().await,
        }
    }
}

#[cfg(unix)]
#[derive(Debug)]
pub(crate) struct Listener {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Listener {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(windows)]
#[derive(Debug)]
pub(crate) struct Listener {
    ctrl_c: tokio::signal::windows::CtrlC,
}

#[cfg(windows)]
impl Listener {
    fn new() -> io::Result<Self> {
        Ok(Self { ctrl_c: tokio::signal::windows::ctrl_c()? })
    }

    async fn next(&mut self) -> &'static str {
        self.ctrl_c.recv().await;
        "Ctrl-C"
    }
}
