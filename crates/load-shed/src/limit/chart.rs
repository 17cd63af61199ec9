//! Whether a few windows together are strange, of which each alone is within chance.

/// A chart of how far what is seen is from what was expected, exponentially weighted (Roberts, 1959).
///
/// A capacity that returns shows little at each of the limits at which it is looked for. Each time the curves bend a little
/// towards it and the noise is thought to be a little more, so that no window is ever strange. But chance has no direction.
#[derive(Debug, Default)]
pub(super) struct Chart(f64);

impl Chart {
    /// Whether the last few are strange together with this one, which is so many standard deviations from what was
    /// expected. The chart begins anew then.
    pub(super) fn is_strange(&mut self, deviation: f64) -> bool {
        self.0 = KEPT * self.0 + deviation.clamp(-MOST, MOST);
        let is_strange = self.0.abs() * (1.0 - KEPT * KEPT).sqrt() > STRANGE;
        if is_strange {
            self.0 = 0.0;
        }
        is_strange
    }
}

/// How much of the sum is left with each window.
const KEPT: f64 = 0.8;
/// What one window counts at most, in standard deviations: a limit that is new may be far from what was expected.
const MOST: f64 = 2.0;
/// From how many standard deviations on the sum is no chance.
const STRANGE: f64 = 3.5;

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many of these, over and over, it is strange.
    fn strange_after(deviations: &[f64]) -> Option<usize> {
        let mut chart = Chart::default();
        deviations.iter().cycle().take(1000).position(|deviation| chart.is_strange(*deviation))
    }

    #[test]
    fn what_one_alone_never_is_a_few_to_the_same_side_are() {
        assert_eq!(strange_after(&[1e9, 0.0, 0.0, 0.0]), None, "however far");
        assert_eq!(strange_after(&[2.0, -2.0]), None, "to both sides");
        assert_eq!(strange_after(&[1.0]), None, "within chance");
        assert_eq!([1.5, -1.5].map(|each| strange_after(&[each])), [Some(6), Some(6)]);
    }
}
