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
        atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU32, Ordering::Relaxed},
        lock,
    },
};

pub(crate) struct Door {
    /// Whether there is an overload.
    counts: AtomicBool,
    offered: [AtomicU32; CLASSES],
    /// What is at this level or beyond is refused: a class has [`COHORTS`] levels, and a lower one matters more.
    threshold: AtomicU16,
    /// The class of which there is more than fits.
    border: AtomicU8,
    /// While it is counted. Locked by the beat alone.
    recent: Mutex<Option<Recent>>,
}

/// What was offered of each class and completed, as means of the last second or so: a tenth of it is full of chance.
#[derive(Default)]
struct Recent {
    offered: [f64; CLASSES],
    completed: f64,
    /// How many intervals the means are of.
    intervals: u32,
    /// How many intervals ago the overload was over.
    quiet: u32,
}

impl Door {
    pub(crate) fn new() -> Self {
        Self {
            counts: AtomicBool::new(false),
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

    /// Says whether a request is let in, and counts it once there is an overload: a count is a cache line that all
    /// workers write to. `cohort` may be any number that stays with its user.
    pub(crate) fn lets_in(&self, class: u8, cohort: u64) -> bool {
        if !self.counts.load(Relaxed) {
            return true;
        }
        let nth = self.offered[usize::from(class)].fetch_add(1, Relaxed);
        let threshold = self.threshold.load(Relaxed);
        let cohort = (cohort ^ u64::from(nth)) % u64::from(COHORTS);
        u16::from(class) * COHORTS + (cohort as u16) < threshold
    }

    /// The level from which on requests are refused; [`OPEN`] refuses none.
    pub(crate) fn threshold(&self) -> u16 {
        self.threshold.load(Relaxed)
    }

    /// Sets the threshold for the next interval, after one in which `completed` requests were: [`OPEN`] without an
    /// overload, and before there is an interval that was counted.
    pub(crate) fn on_interval(&self, completed: u64, overloaded: bool) {
        let mut counting = lock(&self.recent);
        match &mut *counting {
            Some(recent) => {
                recent.add(completed, self.offered.each_ref().map(|offered| offered.swap(0, Relaxed)));
                recent.quiet = if overloaded { 0 } else { recent.quiet + 1 };
                counting.take_if(|recent| recent.quiet >= LINGER);
            }
            None => *counting = overloaded.then(Recent::default),
        }
        self.counts.store(counting.is_some(), Relaxed);
        let (threshold, border) = match &*counting {
            Some(recent) if overloaded && recent.intervals > 0 => threshold(recent.offered, recent.completed),
            _ => (OPEN, 0),
        };
        self.threshold.store(threshold, Relaxed);
        self.border.store(border, Relaxed);
    }
}

impl Recent {
    fn add(&mut self, completed: u64, offered: [u32; CLASSES]) {
        self.intervals += 1;
        let weight = WEIGHT.max(f64::from(self.intervals).recip());
        self.completed += (completed as f64 - self.completed) * weight;
        for (mean, offered) in self.offered.iter_mut().zip(offered) {
            *mean += (f64::from(offered) - *mean) * weight;
        }
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
/// For how many intervals after an overload it is still counted: the next one may begin at once.
const LINGER: u32 = 20;
/// Of an interval in the mean, once there were enough.
const WEIGHT: f64 = 0.1;

#[cfg(test)]
mod tests {
    use proptest::{array::uniform4, collection::vec, prelude::*};

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

    /// A tenth of a second with a hundred critical requests and fifty sheddable ones.
    fn interval(door: &Door) {
        for cohort in 0..100 {
            let _ = (door.lets_in(1, cohort), cohort % 2 == 0 && door.lets_in(3, cohort));
        }
    }

    fn lets_in_all(door: &Door, class: u8) -> bool {
        (0..100).all(|cohort| door.lets_in(class, cohort))
    }

    #[test]
    fn a_closed_door_opens_when_the_overload_is_over() {
        let door = Door::new();
        door.on_interval(50, true);
        assert!(lets_in_all(&door, 3), "nothing was counted yet");
        for _ in 0..50 {
            interval(&door);
            door.on_interval(50, true);
        }
        assert!(lets_in_all(&door, 1));
        assert!((0..100).all(|cohort| !door.lets_in(3, cohort)));
        door.on_interval(50, false);
        assert!(lets_in_all(&door, 3));
    }

    #[test]
    fn it_is_counted_in_an_overload_and_for_a_while_after_it_alone() {
        let door = Door::new();
        let counts = |door: &Door| {
            interval(door);
            door.offered[1].load(Relaxed) > 0
        };
        assert!(!counts(&door));
        door.on_interval(50, true);
        assert!(counts(&door));
        for _ in 0..LINGER {
            assert!(counts(&door));
            door.on_interval(50, false);
        }
        assert!(!counts(&door));
    }
    proptest! {
        #[test]
        fn whatever_was_offered_what_matters_more_is_let_in_wherever_what_matters_less_is(
            intervals in vec((uniform4(0..300u32), 0..600u64, any::<bool>()), 1..20),
            cohorts in uniform4(any::<u64>()),
        ) {
            let door = Door::new();
            for (offered, completed, overloaded) in intervals {
                for (class, offered) in (0u8..).zip(offered) {
                    (0..offered).for_each(|cohort| _ = door.lets_in(class, cohort.into()));
                }
                door.on_interval(completed, overloaded);
                let let_in: Vec<bool> =
                    (0u8..).zip(cohorts).map(|(class, cohort)| door.lets_in(class, cohort)).collect();
                prop_assert!(let_in.is_sorted_by(|more, less| more >= less), "{let_in:?}");
            }
        }
    }
}
