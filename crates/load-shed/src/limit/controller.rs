//! What a law of the limit is.

use std::time::Duration;

/// A law that moves the limit. Pure: it reads no clock and takes no lock, so that an hour can be simulated in seconds.
pub trait Controller: Send + 'static {
    /// How many may run before there was a window.
    fn start(&self) -> u32;

    /// How many may run from now on, after `window`.
    fn on_window(&mut self, window: &Window) -> u32;
}

/// What was seen of the gate over some time.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// From the window's first look to its last.
    pub elapsed: Duration,
    /// The limit that was in force.
    pub limit: u32,
    /// How many ran, as a mean over the window.
    pub in_flight: f64,
    /// How many were completed, and were of use to somebody.
    pub good: u64,
    /// How many ended in a way that says *too much*: refused or timed out further down, or given up by their client.
    pub bad: u64,
    /// How many were refused for want of a slot.
    pub refused: u64,
    /// For which part of the window, from 0 to 1, somebody waited or was refused for want of a slot.
    pub limited: f64,
    /// How long each of the first few took that came after nobody had been there, in the window in which that is known;
    /// zero in all others.
    pub unhindered: Duration,
}

impl Window {
    /// Completions of use, in one second.
    pub fn throughput(&self) -> f64 {
        self.good as f64 / self.elapsed.as_secs_f64()
    }

    /// How long a request ran, by Little's law; infinite if none was completed.
    pub fn response_time(&self) -> f64 {
        self.in_flight * self.elapsed.as_secs_f64() / (self.good as f64 + self.bad as f64)
    }
}
