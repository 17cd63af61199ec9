//! Pauses of uneven length, the same ones for the same seed.

use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, 2014): chance enough for pauses, from one number.
#[derive(Debug)]
pub(crate) struct Jitter {
    state: u64,
}

impl Jitter {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The pause, less anything from nothing to `fraction` of it.
    pub(crate) fn shorten(&mut self, pause: Duration, fraction: f64) -> Duration {
        pause.saturating_sub(pause.mul_f64(fraction * self.unit()))
    }

    /// From 0 to below 1.
    fn unit(&mut self) -> f64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.state;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        // The 53 bits that a double holds.
        (bits >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSE: Duration = Duration::from_secs(10);

    #[test]
    fn a_pause_is_shortened_by_the_fraction_at_most_and_never_lengthened() {
        let mut jitter = Jitter::new(7);
        let pauses: Vec<_> = (0..10_000).map(|_| jitter.shorten(PAUSE, 0.05)).collect();
        assert!(pauses.iter().all(|pause| (Duration::from_millis(9_500)..=PAUSE).contains(pause)));
        let mean = pauses.iter().sum::<Duration>() / 10_000;
        assert!((Duration::from_millis(9_740)..Duration::from_millis(9_760)).contains(&mean), "{mean:?}");
    }

    #[test]
    fn one_seed_makes_one_row_and_neighbours_make_others() {
        let row = |seed| {
            let mut jitter = Jitter::new(seed);
            [(); 8].map(|()| jitter.shorten(PAUSE, 1.0))
        };
        assert_eq!(row(1), row(1));
        assert_ne!(row(1), row(2));
    }

    #[test]
    fn without_a_fraction_a_pause_is_what_it_is() {
        for pause in [PAUSE, Duration::ZERO, Duration::MAX] {
            assert_eq!(Jitter::new(1).shorten(pause, 0.0), pause);
        }
    }
}
