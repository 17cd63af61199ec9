//! Real time, for what runs outside a runtime.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// Wall-clock time since it was started; prints as seconds.
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a command took is real time, and no test pauses it"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

impl fmt::Display for Stopwatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.1} s", self.elapsed().as_secs_f64())
    }
}

/// Tries every 20 ms until `attempt` has something, for at most `patience`.
pub(crate) fn poll<T>(
    patience: Duration,
    mut attempt: impl FnMut() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let stopwatch = Stopwatch::start();
    loop {
        let found = attempt()?;
        if found.is_some() || stopwatch.elapsed() > patience {
            return Ok(found);
        }
        pause(Duration::from_millis(20));
    }
}

#[expect(clippy::disallowed_methods, reason = "no runtime here, and the other processes live in real time")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}
