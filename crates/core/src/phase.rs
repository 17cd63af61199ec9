//! How far a process is on its way from start to exit.

use std::{fmt, sync::Arc};

use tokio::time::{Duration, Instant};

use crate::sync::{
    Mutex, Notify,
    atomic::{
        AtomicU8, AtomicU64,
        Ordering::{Acquire, Relaxed, Release},
    },
    lock,
};

/// A phase in a process' life. It only ever goes forward, and may skip.
///
/// *Ready* is not a phase: whether a process should get traffic follows from its phase and its checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// It gets ready to serve.
    Starting,
    /// It serves.
    Serving,
    /// It serves, fails its readiness probe and asks clients to leave.
    LameDuck,
    /// It accepts no more connections and finishes what is in flight.
    Draining,
    /// The time for that is over: what is still in flight is cut.
    Closing,
    /// Nothing is in flight; hooks run.
    Cleanup,
    /// All is done; the process exits.
    Stopped,
}

impl Phase {
    const ALL: [Self; 7] = [
        Self::Starting,
        Self::Serving,
        Self::LameDuck,
        Self::Draining,
        Self::Closing,
        Self::Cleanup,
        Self::Stopped,
    ];

    /// The word for it in logs and probes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Serving => "serving",
            Self::LameDuck => "lame-duck",
            Self::Draining => "draining",
            Self::Closing => "closing",
            Self::Cleanup => "cleanup",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

const NEVER: u64 = u64::MAX;

struct Shared {
    epoch: Instant,
    phase: AtomicU8,
    /// One for each phase, in nanoseconds after `epoch`. Stored once, before its phase: who sees a phase sees its
    /// deadline, and never that of the next one.
    deadlines: [AtomicU64; Phase::ALL.len()],
    /// When each was entered, in the same way.
    entered: [AtomicU64; Phase::ALL.len()],
    /// Serialises writers, so that a slower one cannot take the phase back.
    writer: Mutex<()>,
    changed: Notify,
    /// A count that nothing hangs on: who reads it looks again soon.
    probes: AtomicU64,
}

impl Shared {
    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.epoch).as_nanos()).unwrap_or(NEVER)
    }

    fn instant(&self, nanos: u64) -> Option<Instant> {
        (nanos != NEVER).then(|| self.epoch.checked_add(Duration::from_nanos(nanos))).flatten()
    }
}

/// The one who moves the phase. Not `Clone`: a phase has one owner and any number of [watches](PhaseWatch).
#[derive(Debug)]
pub struct PhaseOwner {
    watch: PhaseWatch,
}

impl PhaseOwner {
    /// A process that is [starting](Phase::Starting).
    #[expect(clippy::new_without_default, reason = "an owner is made in one place, by name")]
    pub fn new() -> Self {
        let entered = std::array::from_fn(|_| AtomicU64::new(NEVER));
        entered[Phase::Starting as usize].store(0, Relaxed);
        let shared = Shared {
            epoch: Instant::now(),
            phase: AtomicU8::new(Phase::Starting as u8),
            deadlines: std::array::from_fn(|_| AtomicU64::new(NEVER)),
            entered,
            writer: Mutex::new(()),
            changed: Notify::new(),
            probes: AtomicU64::new(0),
        };
        Self { watch: PhaseWatch { shared: Arc::new(shared) } }
    }

    /// A watch on the phase.
    pub fn watch(&self) -> PhaseWatch {
        self.watch.clone()
    }

    /// Moves on to `phase`, which ends at `deadline` if there is one. `false`, and nothing happens, if that phase or a
    /// later one is reached already.
    pub fn advance(&self, phase: Phase, deadline: Option<Instant>) -> bool {
        let shared = &self.watch.shared;
        {
            let _writer = lock(&shared.writer);
            if self.watch.current() >= phase {
                return false;
            }
            shared.deadlines[phase as usize].store(deadline.map_or(NEVER, |at| shared.nanos(at)), Relaxed);
            shared.entered[phase as usize].store(shared.nanos(Instant::now()), Relaxed);
            shared.phase.store(phase as u8, Release);
        }
        shared.changed.notify_waiters();
        true
    }
}

/// Watches a phase. Cheap to clone; reading it is one atomic load.
#[derive(Clone)]
pub struct PhaseWatch {
    shared: Arc<Shared>,
}

impl PhaseWatch {
    /// The phase now.
    #[inline]
    pub fn current(&self) -> Phase {
        Phase::ALL[usize::from(self.shared.phase.load(Acquire))]
    }

    /// When the present phase ends at the latest, if that is known.
    pub fn deadline(&self) -> Option<Instant> {
        self.shared.instant(self.shared.deadlines[self.current() as usize].load(Relaxed))
    }

    /// When `phase` was entered; `None` where it is not reached yet, or was skipped.
    pub fn since(&self, phase: Phase) -> Option<Instant> {
        // Whoever sees this phase or a later one sees it too.
        let reached = self.current() >= phase;
        reached.then(|| self.shared.instant(self.shared.entered[phase as usize].load(Relaxed))).flatten()
    }

    /// Notes that a probe was told to send no more traffic because of the phase.
    ///
    /// For whoever answers probes: from [`LameDuck`](Phase::LameDuck) on, once for each answer. Whoever moves the phase
    /// learns by it that somebody has noticed.
    pub fn note_probe(&self) {
        self.shared.probes.fetch_add(1, Relaxed);
    }

    /// How many probes were [told so](Self::note_probe).
    pub fn probes(&self) -> u64 {
        self.shared.probes.load(Relaxed)
    }

    /// Waits until `phase`, or a later one, is reached, and returns the one that is.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when it is dropped.
    pub async fn reached(&self, phase: Phase) -> Phase {
        loop {
            // Made before the look, it hears every change after it.
            let changed = self.shared.changed.notified();
            let current = self.current();
            if current >= phase {
                return current;
            }
            changed.await;
        }
    }
}

impl fmt::Debug for PhaseWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PhaseWatch").field(&self.current()).finish()
    }
}
