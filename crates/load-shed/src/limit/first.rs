//! How long a request takes when few are in its way.

use std::time::Duration;

use super::look::Look;

/// The first few requests after a pause, which find hardly anybody before them.
///
/// No request is timed. How many have come (those in flight, and those that have ended) and how many have ended is known
/// at each beat; from when the first one came until the first one ended is how long that one took, and so on: the
/// horizontal distance of the two cumulative curves. Unlike Little's law it holds while a queue is growing.
#[derive(Debug, Default)]
pub(super) struct First {
    /// Since the pause, in seconds.
    now: f64,
    /// At the pause.
    good: u64,
    bad: u64,
    /// When they came.
    came: Vec<f64>,
    /// Of how many it is the mean, once the first one has ended.
    of: Option<usize>,
    ended: usize,
    /// What those that have ended took, in seconds.
    sum: f64,
}

impl First {
    /// Of a gate at which there was no pause.
    #[cfg(test)]
    pub(super) fn known() -> Self {
        Self { of: Some(0), ..Self::default() }
    }

    /// Begins anew: nobody is here.
    pub(super) fn pause(&mut self, look: Look) {
        *self = Self { good: look.good, bad: look.bad, ..Self::default() };
    }

    /// How long they took on average, at the beat at which it is known. It never is if one of them ended badly.
    pub(super) fn on_beat(&mut self, elapsed: Duration, look: Look) -> Option<Duration> {
        if self.of == Some(self.ended) || look.bad > self.bad {
            return None;
        }
        self.now += elapsed.as_secs_f64();
        let ended = look.good.saturating_sub(self.good);
        let came = ended.saturating_add(look.in_flight.into()).min(MOST) as usize;
        self.came.resize(came.max(self.came.len()), self.now);
        if ended > 0 {
            // Of many at once, those that end first are the quickest of them.
            let of = *self.of.get_or_insert((came / QUICKEST).max(FEW));
            let ended = (ended.min(MOST) as usize).clamp(self.ended, of);
            self.sum += self.came[self.ended..ended].iter().map(|came| self.now - came).sum::<f64>();
            self.ended = ended;
        }
        (self.of == Some(self.ended))
            .then(|| Duration::try_from_secs_f64(self.sum / self.ended as f64).unwrap_or_default())
    }
}

/// With more of them, those of a pool of four would have waited for each other.
const FEW: usize = 4;
/// One of how many that had come when the first one ended is among them.
const QUICKEST: usize = 4;
/// How many are remembered.
const MOST: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_millis(5);

    /// Four that come at the same time, of which the first ends after ten beats and each other one `spread` later.
    fn first(spread: u64, bad: u64) -> Option<Duration> {
        let mut first = First::default();
        (1..100_u64).find_map(|beat| {
            let good = if beat < 11 {
                0
            } else {
                (beat - 11).checked_div(spread).map_or(4, |ended| (ended + 1).min(4))
            };
            first.on_beat(BEAT, Look { in_flight: 4 - good as u32, good, bad, ..Look::default() })
        })
    }

    #[test]
    fn it_is_the_mean_of_what_the_first_four_took() {
        assert_eq!(first(0, 0), Some(10 * BEAT));
        assert_eq!(first(2, 0), Some(13 * BEAT), "10, 12, 14 and 16");
    }

    #[test]
    fn it_is_not_known_if_one_of_them_ended_badly() {
        assert_eq!(first(0, 1), None);
    }
}
