//! The thread that reads what the status tells.
//!
//! Not the one that answers: a handle may block as it is read, and a table of 10,000 requests takes a while, and a probe
//! must wait for neither. It reads once a second, for the history and whoever watches, and besides when it is asked; but
//! never more than ten times a second, however many ask: nobody from outside makes it read more, or take more often a
//! lock that requests take too.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use tokio::{
    sync::watch,
    time::{Instant, timeout},
};

use crate::{
    history::{History, Reading},
    sources::Sources,
    status::Status,
};

/// Asks the thread. When the last of these is dropped, it ends.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    asks: SyncSender<()>,
    reports: watch::Receiver<Report>,
}

/// What was read, and when.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// When the reading began.
    began: Instant,
    /// How many whole seconds' readings there were.
    tick: u64,
    /// Nothing until the first is over.
    status: Option<Arc<Status>>,
}

impl Reader {
    pub(crate) fn spawn(sources: Sources) -> io::Result<Self> {
        // One ask stands for all that come before it is heard.
        let (asks, asked) = sync_channel(1);
        let (reported, reports) = watch::channel(Report { began: Instant::now(), tick: 0, status: None });
        thread::Builder::new()
            .name("macadam-status".into())
            .spawn(move || read_on(&sources, &asked, &reported))?;
        Ok(Self { asks, reports })
    }

    /// The status as of now: its reading begins after the call. `None` if something that it reads hangs.
    pub(crate) async fn now(&self) -> Option<Arc<Status>> {
        let asked = Instant::now();
        // Where an ask is waiting to be heard, it is this one's too.
        let _ = self.asks.try_send(());
        let mut reports = self.reports.clone();
        let fresh = reports.wait_for(|report| report.began >= asked && report.status.is_some());
        timeout(PATIENCE, fresh).await.ok()?.ok()?.status.clone()
    }

    /// Each second's reading, from the last one on.
    pub(crate) fn ticks(&self) -> Ticks {
        Ticks { reports: self.reports.clone(), seen: 0 }
    }
}

/// The readings of whole seconds. Who is slow misses some.
pub(crate) struct Ticks {
    reports: watch::Receiver<Report>,
    seen: u64,
}

impl Ticks {
    /// `None` when there will be no more.
    pub(crate) async fn next(&mut self) -> Option<Arc<Status>> {
        let report = self.reports.wait_for(|report| report.tick > self.seen).await.ok()?;
        self.seen = report.tick;
        report.status.clone()
    }
}

fn read_on(sources: &Sources, asked: &Receiver<()>, reported: &watch::Sender<Report>) {
    let mut history = History::default();
    let mut requests = None;
    let mut tick = 0;
    let mut next_tick = Instant::now();
    let mut may_read = next_tick;
    let mut is_asked = false;
    loop {
        let due = if is_asked { may_read.min(next_tick) } else { next_tick };
        match asked.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(()) => {
                is_asked = true;
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        is_asked = false;
        let began = Instant::now();
        may_read = began + BETWEEN;
        if began >= next_tick {
            next_tick = began + SECOND;
            tick += 1;
            requests = sources.outcomes.as_ref().map(|outcomes| {
                history.add(Reading::of(outcomes, began));
                history.requests()
            });
        }
        let status = Some(Arc::new(sources.read(requests.clone(), began)));
        reported.send_replace(Report { began, tick, status });
    }
}

const SECOND: Duration = Duration::from_secs(1);
const BETWEEN: Duration = Duration::from_millis(100);
/// For who asks. Longer than a reading may wait for its turn, and far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(1);
