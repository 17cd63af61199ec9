//! How slow a peer may be.

use tokio::time::{Duration, Instant};

/// The least rate of a peer that is waited for, and for how long it may be slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MinRate {
    bytes_per_second: u32,
    grace: Duration,
}

impl MinRate {
    /// At least so many bytes a second, but for `grace` at a stretch. With 0 bytes a second `grace` never runs out.
    pub fn new(bytes_per_second: u32, grace: Duration) -> Self {
        Self { bytes_per_second, grace }
    }

    /// The same rate where so many bytes move at once, and nothing is seen of them before: with as much more grace as
    /// they may take.
    #[must_use]
    pub fn in_lumps_of(self, bytes: u32) -> Self {
        let each = SECOND.checked_div(self.bytes_per_second.into()).unwrap_or_default();
        let lump = Duration::from_nanos(u64::from(bytes) * each);
        Self { grace: self.grace.saturating_add(lump), ..self }
    }

    /// For how long nothing may move. `None` is for ever.
    pub fn longest_silence(&self) -> Option<Duration> {
        (self.bytes_per_second != 0).then_some(self.grace)
    }
}

/// One direction of a transfer, measured against a [`MinRate`] for as long as we wait for the peer and no longer.
///
/// A bucket of time: it is full with the grace, waiting empties it, and each byte puts back the time that it may take.
/// So a peer that is too slow has its grace from wherever it begins to be, and no hoard of good behaviour: what it sent
/// quickly an hour ago buys it no more than one that has just begun. (The average over a whole transfer, which Kestrel
/// and Apache go by, lets whoever has sent a gigabyte at once trickle for weeks.)
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    rate: MinRate,
    left: Duration,
}

impl Pace {
    /// A transfer that begins.
    pub fn new(rate: MinRate) -> Self {
        Self { rate, left: rate.grace }
    }

    /// When the peer will have been too slow, if it was waited for from `since` on and moves nothing. `None` is never.
    pub fn due(&self, since: Instant) -> Option<Instant> {
        if self.rate.bytes_per_second == 0 { None } else { since.checked_add(self.left) }
    }

    /// The peer was waited for, for so long.
    pub fn waited(&mut self, time: Duration) {
        self.left = self.left.saturating_sub(time);
    }

    /// The peer moved so many bytes.
    pub fn moved(&mut self, bytes: u64) {
        self.moved_after(Duration::ZERO, bytes);
    }

    /// The peer moved so many bytes after it was waited for so long; says whether that was fast enough.
    ///
    /// Bytes come in lumps, as TCP's windows open, so these pay for the wait before they came: whoever is silent for
    /// ten seconds and then moves what ten seconds are worth is not slow. How long a silence itself may last is
    /// another's to say.
    pub fn moved_after(&mut self, waited: Duration, bytes: u64) -> bool {
        let Some(each) = SECOND.checked_div(self.rate.bytes_per_second.into()) else { return true };
        let earned = Duration::from_nanos(bytes.saturating_mul(each));
        let left = self.left.saturating_add(earned).checked_sub(waited);
        self.left = left.unwrap_or_default().min(self.rate.grace);
        left.is_some()
    }
}

/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(5);

    /// For how many seconds somebody lasts who moves so many bytes each second, a hundred at most.
    fn lasts(pace: &mut Pace, bytes: u64) -> u64 {
        let now = Instant::now();
        let second = Duration::from_secs(1);
        let is_in_time = |pace: &mut Pace| {
            let in_time = pace.due(now).is_none_or(|due| due > now + second);
            pace.waited(second);
            pace.moved(bytes);
            in_time
        };
        (0..100).take_while(|_| is_in_time(pace)).count() as u64
    }

    #[test]
    fn the_rate_itself_is_enough_and_a_byte_less_is_not_for_ever() {
        assert_eq!(lasts(&mut Pace::new(MinRate::new(240, GRACE)), 240), 100);
        assert!((4..100).contains(&lasts(&mut Pace::new(MinRate::new(240, GRACE)), 180)));
        assert_eq!(lasts(&mut Pace::new(MinRate::new(240, GRACE)), 0), 4, "and the fifth second ends it");
    }

    #[test]
    fn what_came_quickly_buys_the_grace_and_no_more() {
        let mut pace = Pace::new(MinRate::new(240, GRACE));
        pace.moved(1 << 40);
        assert_eq!(lasts(&mut pace, 0), 4);
    }

    #[test]
    fn a_lump_pays_for_the_silence_before_it_and_a_byte_less_does_not() {
        let silence = Duration::from_secs(25);
        assert!(Pace::new(MinRate::new(240, GRACE)).moved_after(silence, 240 * 20 + 1));
        assert!(!Pace::new(MinRate::new(240, GRACE)).moved_after(silence, 240 * 20 - 1));
        let mut pace = Pace::new(MinRate::new(240, GRACE));
        assert!(pace.moved_after(silence, 1 << 40), "and what it brought beyond is no hoard:");
        assert!(!pace.moved_after(silence, 1));
    }

    #[test]
    fn lumps_at_the_rate_are_in_time_and_a_missing_one_is_not() {
        let rate = MinRate::new(240, GRACE).in_lumps_of(2400);
        assert_eq!(
            rate.longest_silence().map(|silence| silence.as_secs()),
            Some(14),
            "less the nanoseconds of a byte"
        );
        let mut pace = Pace::new(rate);
        assert!((0..100).all(|_| pace.moved_after(Duration::from_millis(9999), 2400)));
        assert!(!pace.moved_after(Duration::from_secs(30), 2400));
    }

    #[test]
    fn no_rate_is_never_too_slow() {
        assert_eq!(MinRate::new(0, GRACE).in_lumps_of(1).longest_silence(), None);
        assert!(Pace::new(MinRate::new(0, GRACE)).moved_after(Duration::MAX, 0));
        assert_eq!(Pace::new(MinRate::new(0, GRACE)).due(Instant::now()), None);
    }
}
