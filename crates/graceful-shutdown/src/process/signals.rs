//! The signals that ask a process to leave, or to look again at what it was told.

use std::{future, io, time::Duration};

use tokio::time::Instant;

/// SIGTERM and SIGINT, and SIGHUP where something is to be reloaded; on Windows, Ctrl-C.
#[derive(Debug)]
pub(crate) enum Signals {
    On(Listener),
    Off,
}

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// The process is to leave. The signal's name.
    Leave(&'static str),
    /// It is to reload what can be.
    #[cfg_attr(windows, expect(dead_code, reason = "there is no such signal there"))]
    Reload,
}

/// The first signal that asked the process to leave, by which the next ones are understood.
#[derive(Debug, Default)]
pub(crate) struct FirstStop(Option<(&'static str, Instant)>);

/// What a signal to leave means after those that came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It asks.
    Asks,
    /// It is the first one, delivered twice.
    Again,
    /// It does not want to wait.
    Insists,
}

impl FirstStop {
    /// What the signal of this name, which comes now, means.
    ///
    /// One stop often comes twice: a terminal or a supervisor signals the whole process group, and a wrapper in that
    /// passes on what it got. Nobody who insists is as quick, and whoever passes a signal on passes on the same one.
    pub(crate) fn then(&mut self, name: &'static str) -> Stop {
        match self.0 {
            None => {
                self.0 = Some((name, Instant::now()));
                Stop::Asks
            }
            Some((first, at)) if first == name && at.elapsed() < ONE_STOP => Stop::Again,
            Some(_) => Stop::Insists,
        }
    }
}

impl Signals {
    /// Listens, if it is to, from within the runtime that will be woken.
    ///
    /// That is never undone: from here on these signals do not end the process by themselves. SIGHUP is left alone
    /// where nothing is to be reloaded: who closes a terminal, or keeps a process from that by `nohup`, is obeyed.
    pub(crate) fn listen(on: bool, reload: bool) -> io::Result<Self> {
        if on { Listener::new(reload).map(Self::On) } else { Ok(Self::Off) }
    }

    /// The next one. Nothing is lost when it is dropped.
    pub(crate) async fn next(&mut self) -> Signal {
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
    hang_up: Option<tokio::signal::unix::Signal>,
}

#[cfg(unix)]
impl Listener {
    fn new(reload: bool) -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};

        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: reload.then(|| signal(SignalKind::hangup())).transpose()?,
        })
    }

    async fn next(&mut self) -> Signal {
        let hang_up = async {
            match &mut self.hang_up {
                Some(hang_up) => hang_up.recv().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => Signal::Leave("SIGTERM"),
            _ = self.interrupt.recv() => Signal::Leave("SIGINT"),
            _ = hang_up => Signal::Reload,
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
    fn new(_reload: bool) -> io::Result<Self> {
        Ok(Self { ctrl_c: tokio::signal::windows::ctrl_c()? })
    }

    async fn next(&mut self) -> Signal {
        self.ctrl_c.recv().await;
        Signal::Leave("Ctrl-C")
    }
}

/// From a signal to another of the same name that still is the same one.
const ONE_STOP: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const TICK: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn the_same_signal_within_100_ms_is_one_stop_and_from_then_on_it_insists() {
        let mut first = FirstStop::default();
        assert_eq!(first.then("SIGTERM"), Stop::Asks);
        assert_eq!(first.then("SIGTERM"), Stop::Again);
        advance(ONE_STOP - TICK).await;
        assert_eq!(first.then("SIGTERM"), Stop::Again);
        advance(TICK).await;
        assert_eq!(first.then("SIGTERM"), Stop::Insists, "100 ms after the first, whatever came between");
    }

    #[tokio::test(start_paused = true)]
    async fn another_signal_insists_at_once() {
        let mut first = FirstStop::default();
        assert_eq!(first.then("SIGTERM"), Stop::Asks);
        assert_eq!(first.then("SIGINT"), Stop::Insists);
    }
}
