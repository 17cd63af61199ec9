//! Who goes on until told to end, and whose turn that is.
//!
//! Ten thousand event streams that end at one moment are ten thousand clients that connect again at one moment, to the
//! instances that are left. So each waits here for its turn: its waker lies in one list, entered once and left once by a
//! stream and untouched by its frames, and one task goes through the list with one timer. The task is there while there
//! is somebody in the list, and sleeps until the drain begins.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll},
    time::Duration,
};

use atomic_waker::AtomicWaker;
use macadam_core::{Phase, PhaseWatch};
use tokio::{
    runtime::Handle,
    sync::Notify,
    time::{Instant, sleep},
};

use super::pace::Pace;

/// All who wait for their turn to end.
pub(crate) struct Turns {
    phase: PhaseWatch,
    line: Mutex<Line>,
    emptied: Notify,
    ended: AtomicU64,
}

#[derive(Default)]
struct Line {
    /// By when they are ripe, then by who came first.
    waiting: BTreeMap<Key, Arc<Seat>>,
    entered: u64,
    /// The task is there.
    is_paced: bool,
}

type Key = (Instant, u64);

struct Seat {
    turns: Arc<Turns>,
    key: Key,
    waker: AtomicWaker,
    called: AtomicBool,
}

/// A place among those who wait; left when it is dropped.
pub(crate) struct Place {
    seat: Arc<Seat>,
    /// How many pieces may yet be handed out when the turn has come.
    left: u8,
}

impl Turns {
    pub(crate) fn new(phase: PhaseWatch) -> Self {
        Self { phase, line: Mutex::default(), emptied: Notify::new(), ended: AtomicU64::new(0) }
    }

    /// Enters, to be called once the drain has begun, and not before it has waited for `patience`.
    ///
    /// Outside of a tokio runtime nobody calls.
    pub(crate) fn enter(self: &Arc<Self>, patience: Duration) -> Place {
        let ripe = Instant::now() + patience;
        let (seat, is_paced) = {
            let mut line = self.lock();
            line.entered += 1;
            let key = (ripe, line.entered);
            let seat = Arc::new(Seat::new(self, key));
            line.waiting.insert(key, Arc::clone(&seat));
            (seat, line.is_paced)
        };
        if !is_paced {
            self.pace();
        }
        Place { seat, left: LAST_PIECES }
    }

    /// How many wait.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// How many have ended because they were called.
    pub(crate) fn ended(&self) -> u64 {
        self.ended.load(Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the task, if nobody else has and there is a runtime.
    fn pace(self: &Arc<Self>) {
        let Ok(runtime) = Handle::try_current() else { return };
        let was_paced = std::mem::replace(&mut self.lock().is_paced, true);
        if !was_paced {
            // Made here, and not in the task: a runtime that is shut down drops it unpolled.
            runtime.spawn(Pacer { turns: Arc::clone(self), done: false }.run());
        }
    }

    /// Takes those from the line whose turn it is now.
    fn due(&self, pace: &mut Pace) -> Vec<Arc<Seat>> {
        let now = Instant::now();
        let mut line = self.lock();
        let mut due = Vec::new();
        for _ in 0..pace.due(now, line.waiting.len()) {
            let Some(first) = line.waiting.first_entry() else { break };
            if !pace.is_ripe(now, first.key().0) {
                break;
            }
            due.push(first.remove());
        }
        due
    }
}

impl Seat {
    fn new(turns: &Arc<Turns>, key: Key) -> Self {
        Self { turns: Arc::clone(turns), key, waker: AtomicWaker::new(), called: AtomicBool::new(false) }
    }
}

impl Place {
    /// Ready when it is its turn, and from then on.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_called() {
            self.seat.waker.register(cx.waker());
            if !self.is_called() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    /// Whether it is its turn, or has been.
    pub(crate) fn is_called(&self) -> bool {
        self.seat.called.load(Acquire)
    }

    /// A piece was handed out.
    pub(crate) fn went_on(&mut self) {
        if self.is_called() {
            self.left = self.left.saturating_sub(1);
        }
    }

    /// Whether it has gone on for long enough after its turn had come.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0
    }

    /// It ends, since its turn has come.
    pub(crate) fn end(self) {
        self.seat.turns.ended.fetch_add(1, Relaxed);
    }
}

// Not derived: through the line each would show all the others.
impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").field("called", &self.is_called()).finish()
    }
}

impl fmt::Debug for Turns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (waiting, ended) = (self.waiting(), self.ended());
        f.debug_struct("Turns").field("waiting", &waiting).field("ended", &ended).finish_non_exhaustive()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_called() {
            return;
        }
        let is_empty = {
            let mut line = self.seat.turns.lock();
            line.waiting.remove(&self.seat.key);
            line.waiting.is_empty()
        };
        if is_empty {
            self.seat.turns.emptied.notify_one();
        }
    }
}

/// The task that calls.
struct Pacer {
    turns: Arc<Turns>,
    done: bool,
}

impl Pacer {
    async fn run(mut self) {
        let turns = Arc::clone(&self.turns);
        let mut drains = std::pin::pin!(turns.phase.reached(Phase::Draining));
        loop {
            tokio::select! {
                biased;
                _ = &mut drains => break,
                () = turns.emptied.notified() => if self.is_done() { return },
            }
        }
        let mut pace = Pace::new(Instant::now(), turns.phase.deadline());
        while !self.is_done() {
            for seat in turns.due(&mut pace) {
                seat.called.store(true, Release);
                seat.waker.wake();
            }
            sleep(Pace::TICK).await;
        }
    }

    /// Whether nobody is left; the next one who enters then starts a task anew.
    fn is_done(&mut self) -> bool {
        let mut line = self.turns.lock();
        self.done = line.waiting.is_empty();
        line.is_paced = !self.done;
        self.done
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        if !self.done {
            self.turns.lock().is_paced = false;
        }
    }
}

/// What has several pieces ready is in the middle of something; this is for what always has one.
const LAST_PIECES: u8 = 64;
