//! What is seen of the gate, and what it then goes by.

use std::time::Duration;

/// The gate at one beat. The counts only grow; what counts is their difference to the last look.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// How many run.
    pub in_flight: u32,
    /// How many wait.
    pub waiting: u32,
    /// How long the one that waits longest has waited; zero if nobody waits.
    pub oldest: Duration,
    /// Completed, and of use to somebody.
    pub good: u64,
    /// Ended in a way that says *too much*.
    pub bad: u64,
    /// Refused for want of a slot.
    pub refused: u64,
}

/// By what the gate and its queue go, until the next beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How many may run.
    pub limit: u32,
    /// How many may wait.
    pub queue: u16,
    /// Who waited least is next. Else it is who waited longest.
    pub newest_first: bool,
    /// Who has waited longer than this is refused.
    pub max_wait: Duration,
}
