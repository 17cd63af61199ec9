//! One line a second on what times out.

use std::sync::atomic::{
    AtomicBool, AtomicU64,
    Ordering::{AcqRel, Relaxed, Release},
};

use tokio::{
    runtime::Handle,
    time::{Duration, sleep},
};
use tracing::level_filters::LevelFilter;

use crate::cause::TimeoutCause;

/// Tells how many have timed out since it last did, all layers of the process together: whoever times out would share
/// more than this with others otherwise, on the way of every request.
///
/// It is a task while there is something to tell, so that the last of a burst are told of too.
struct Narrator {
    heard: [AtomicU64; TimeoutCause::COUNTED.len()],
    speaks: AtomicBool,
}

static ENFORCED: Narrator = Narrator::new();
static REHEARSED: Narrator = Narrator::new();

/// Hears that a request has timed out, or would have. One that comes as the task ends is told of with the next.
pub(crate) fn hear(cause: TimeoutCause, dry_run: bool) {
    // Where nobody listens, there is no task either.
    if LevelFilter::current() < LevelFilter::WARN {
        return;
    }
    let narrator = if dry_run { &REHEARSED } else { &ENFORCED };
    narrator.heard[cause as usize].fetch_add(1, Relaxed);
    let Ok(runtime) = Handle::try_current() else { return };
    if !narrator.speaks.swap(true, AcqRel) {
        // Made here, and not in the task: a runtime that is shut down drops it unpolled.
        runtime.spawn(Speaking(narrator).speak(dry_run));
    }
}

impl Narrator {
    const fn new() -> Self {
        Self {
            heard: [const { AtomicU64::new(0) }; TimeoutCause::COUNTED.len()],
            speaks: AtomicBool::new(false),
        }
    }

    /// Whether there was anything to tell.
    fn tell(&self, dry_run: bool) -> bool {
        let heard = TimeoutCause::COUNTED.map(|cause| self.heard[cause as usize].swap(0, Relaxed));
        let expired: u64 = heard.iter().sum();
        // A field without a value is none: the line says what happened, and not what did not.
        let only = |cause| Some(heard[cause as usize]).filter(|expired| *expired > 0);
        macro_rules! line {
            ($message:literal) => {
                tracing::warn!(
                    target: "macadam_timeouts",
                    expired,
                    cause.on_arrival = only(TimeoutCause::OnArrival),
                    cause.deadline = only(TimeoutCause::Deadline),
                    cause.inherited = only(TimeoutCause::Inherited),
                    cause.response_deadline = only(TimeoutCause::ResponseDeadline),
                    cause.response_idle = only(TimeoutCause::ResponseIdle),
                    $message
                )
            };
        }
        match (expired, dry_run) {
            (0, _) => return false,
            (_, true) => line!("would time out"),
            (_, false) => line!("timing out"),
        }
        true
    }
}

/// Ends with the task, or with its runtime. One that has panicked, as where there is no timer, is not tried again.
struct Speaking(&'static Narrator);

impl Speaking {
    async fn speak(self, dry_run: bool) {
        while self.0.tell(dry_run) {
            sleep(SILENCE).await;
        }
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.speaks.store(false, Release);
        }
    }
}

/// From a line to the next, at the least.
const SILENCE: Duration = Duration::from_secs(1);
