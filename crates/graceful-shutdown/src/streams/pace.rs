//! How many may end at a time. It is told the time and answers with a number: no task, no clock.

use std::time::Duration;

use tokio::time::Instant;

/// Spreads the turns over the first half of the time to drain: 200 a second, or as many more as that takes.
///
/// Those are Kubernetes' figures for the watches of its API server. The other half is for the clients' answers, and for
/// whoever comes late: after the first half it is everybody's turn at once.
#[derive(Debug)]
pub(crate) struct Pace {
    half: Option<Instant>,
    /// From here on nobody is too young.
    quarter: Option<Instant>,
    last: Instant,
    /// Time for which no turn has been given yet.
    owed: Duration,
}

impl Pace {
    /// How often to ask.
    pub(crate) const TICK: Duration = LONGEST;

    /// The drain begins now, and ends at `deadline` if that is known.
    pub(crate) fn new(now: Instant, deadline: Option<Instant>) -> Self {
        let time = deadline.map(|deadline| deadline.saturating_duration_since(now));
        // The first need not wait.
        Self {
            half: time.map(|time| now + time / 2),
            quarter: time.map(|time| now + time / 4),
            last: now,
            owed: LONGEST,
        }
    }

    /// How many have their turn now, of so many who wait. What is not taken is lost.
    pub(crate) fn due(&mut self, now: Instant, waiting: usize) -> usize {
        self.owed += now.saturating_duration_since(self.last);
        self.last = now;
        let share = self.half.map_or(LONGEST, |half| {
            half.saturating_duration_since(now) / u32::try_from(waiting.max(1)).unwrap_or(u32::MAX)
        });
        let between = share.min(LONGEST);
        let Some(due) = self.owed.as_nanos().checked_div(between.as_nanos()) else { return waiting };
        let due = usize::try_from(due).unwrap_or(usize::MAX).min(waiting);
        self.owed -= between * u32::try_from(due).unwrap_or(u32::MAX);
        self.owed = self.owed.min(LONGEST);
        due
    }

    /// Whether somebody may be called who is ripe at `ripe`.
    pub(crate) fn is_ripe(&self, now: Instant, ripe: Instant) -> bool {
        ripe <= now || self.quarter.is_some_and(|quarter| quarter <= now)
    }
}

/// From a turn to the next.
const LONGEST: Duration = Duration::from_millis(5);
