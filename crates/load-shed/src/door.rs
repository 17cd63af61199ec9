//! Which classes are let in at all.
//!
//! In an overload the queue gives slots to what matters most; whatever matters less would wait there for nothing, and
//! be refused late. So once in [`INTERVAL`] it is counted what is offered in each class, against what is
//! completed, and the rest is refused at the door: whole classes, and of the one at the border a part by cohort, so
//! that the same users are refused for a while and not every user now and then.

use std::time::Duration;

use crate::{
    queue::CLASSES,
    sync::{
        Mutex,
        atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed},
        lock,
    },
};

pub(crate) struct Door {
    offered: [AtomicU32; CLASSES],
    /// What is at this level or beyond is refused: a class has [`COHORTS`] levels, and a lower one matters more.
    threshold: AtomicU16,
    /// The class of which there is more than fits.
    border: AtomicU8,
    /// Locked by the beat alone.
    recent: Mutex<Recent>,
}

/// What was offered of each class and completed, as means of the last second or so: a tenth of it is full of chance.
#[derive(Default)]
struct Recent {
    offered: [f64; CLASSES],
    completed: f64,
}

impl Door {
    pub(crate) fn new() -> Self {
        Self {
            offered: Default::default(),
            threshold: AtomicU16::new(OPEN),
            border: AtomicU8::new(0),
            recent: Mutex::default(),
        }
    }

    /// The first class of which more is offered than fits, with what matters more; the first one without an overload.
    pub(crate) fn border(&self) -> u8 {
        self.border.load(Relaxed)
    }

    /// Counts a request, and says whether it is let in. `cohort` may be any number that stays with its user.
    pub(crate) fn lets_in(&self, class: u8, cohort: u64) -> bool {
        let nth = self.offered[usize::from(class)].fetch_add(1, Relaxed);
        let threshold = self.threshold.load(Relaxed);
        if threshold == OPEN {
            return true;
        }
        let cohort = (cohort ^ u64::from(nth)) % u64::from(COHORTS);
        u16::from(class) * COHORTS + (cohort as u16) < threshold
    }

    /// The level from which on requests are refused; [`OPEN`] refuses none.
    pub(crate) fn threshold(&self) -> u16 {
        self.threshold.load(Relaxed)
    }

    /// Sets the threshold for the next interval, after one in which `completed` requests were: [`OPEN`] without an
    /// overload.
    pub(crate) fn on_interval(&self, completed: u64, overloaded: bool) {
        let mut recent = lock(&self.recent);
        let Recent { offered: means, completed: mean } = &mut *recent;
        *mean += (completed as f64 - *mean) * WEIGHT;
        for (mean, offered) in means.iter_mut().zip(&self.offered) {
            *mean += (f64::from(offered.swap(0, Relaxed)) - *mean) * WEIGHT;
        }
        let (threshold, border) = if overloaded { threshold(*means, *mean) } else { (OPEN, 0) };
        self.threshold.store(threshold, Relaxed);
        self.border.store(border, Relaxed);
    }
}

/// The level up to which what was offered fits into what was completed, and [`HEADROOM`] more; and the class that it is
/// in. The highest class that was offered is never cut: which of its requests to refuse is for the queue to say.
fn threshold(offered: [f64; CLASSES], completed: f64) -> (u16, u8) {
    let room = completed * (1.0 + HEADROOM);
    let (mut taken, mut last) = (0.0, 0);
    for (class, offered) in (0u8..).zip(offered).filter(|(_, offered)| *offered >= 0.5) {
        if taken + offered > room {
            let part = (room - taken).max(0.0) / offered * f64::from(COHORTS);
            let level = u16::from(class) * COHORTS + part as u16;
            // The highest class is the border too, and nothing of it is cut; what is below it is, whole.
            return (if taken > 0.0 { level } else { (u16::from(class) + 1) * COHORTS }, class);
        }
        taken += offered;
        last = class;
    }
    (OPEN, last)
}

/// How often the threshold is set.
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
/// How many levels a class has; as many as Uber's Cinnamon gives one.
const COHORTS: u16 = 128;
/// Nothing is refused.
pub(crate) const OPEN: u16 = CLASSES as u16 * COHORTS;
/// An eighth more is let in than was completed, for the queue to choose from, and to notice that there is room again.
const HEADROOM: f64 = 0.125;
/// Of an interval in the mean.
const WEIGHT: f64 = 0.1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_let_in_and_what_matters_less_is_cut_in_part() {
        let half = COHORTS / 2;
        assert_eq!(threshold([0.0, 70.0, 0.0, 40.0], 80.0), (3 * COHORTS + half, 3), "twenty of forty");
        assert_eq!(threshold([0.0, 40.0, 0.0, 40.0], 80.0), (OPEN, 3), "all of it fits");
        assert_eq!(threshold([10.0, 40.0, 80.0, 40.0], 80.0), (2 * COHORTS + half, 2));
    }

    #[test]
    fn the_highest_class_is_never_cut_at_the_door() {
        assert_eq!(
            threshold([0.0, 1000.0, 0.0, 1.0], 80.0),
            (2 * COHORTS, 1),
            "and what is below it goes first"
        );
        assert_eq!(threshold([0.0, 0.0, 0.0, 1000.0], 0.0), (OPEN, 3));
        assert_eq!(threshold([0.0; CLASSES], 80.0), (OPEN, 0));
    }

    #[test]
    fn a_closed_door_opens_when_the_overload_is_over() {
        let door = Door::new();
        for cohort in 0..100 {
            assert!(door.lets_in(1, cohort) && door.lets_in(3, cohort));
        }
        // Fifty of a hundred and fifty, for as long as the mean takes.
        for _ in 0..50 {
            door.on_interval(50, true);
            for cohort in 0..100 {
                let _ = (door.lets_in(1, cohort), cohort % 2 == 0 && door.lets_in(3, cohort));
            }
        }
        door.on_interval(50, true);
        assert!((0..100).all(|cohort| door.lets_in(1, cohort)));
        assert!((0..100).all(|cohort| !door.lets_in(3, cohort)));
        door.on_interval(50, false);
        assert!((0..100).all(|cohort| door.lets_in(3, cohort)));
    }
}
