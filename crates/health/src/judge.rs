//! Up or down: what a row of results makes of a check.

/// Flips after so many opposite results in a row, and not before: one result of the other kind starts the row anew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judge {
    up: bool,
    /// Results in a row that contradict the present state.
    contradictions: u32,
    failure_threshold: u32,
    success_threshold: u32,
}

impl Judge {
    pub(crate) fn new(up: bool, failure_threshold: u32, success_threshold: u32) -> Self {
        Self { up, contradictions: 0, failure_threshold, success_threshold }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.up
    }

    /// Up, and nothing speaks against it.
    pub(crate) fn is_steady(&self) -> bool {
        self.up && self.contradictions == 0
    }

    /// Takes one result, and says whether the state has flipped by it.
    pub(crate) fn hear(&mut self, passed: bool) -> bool {
        if passed == self.up {
            self.contradictions = 0;
            return false;
        }
        self.contradictions += 1;
        let threshold = if self.up { self.failure_threshold } else { self.success_threshold };
        let flips = self.contradictions >= threshold;
        if flips {
            self.up = passed;
            self.contradictions = 0;
        }
        flips
    }

    pub(crate) fn contradictions(&self) -> u32 {
        self.contradictions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_failures_in_a_row_as_the_threshold_flip_and_one_fewer_never_does() {
        for threshold in 1..5 {
            let mut judge = Judge::new(true, threshold, 1);
            for _ in 0..10 {
                for _ in 1..threshold {
                    assert!(!judge.hear(false));
                }
                if threshold > 1 {
                    assert!(!judge.hear(true));
                }
            }
            for run in 1..=threshold {
                assert_eq!(judge.hear(false), run == threshold);
            }
            assert!(!judge.is_up());
        }
    }

    #[test]
    fn a_result_that_agrees_starts_the_row_anew() {
        let mut judge = Judge::new(false, 1, 2);
        for _ in 0..10 {
            assert!(!judge.hear(true));
            assert_eq!(judge.contradictions(), 1);
            assert!(!judge.hear(false));
            assert_eq!(judge.contradictions(), 0);
        }
        assert!(!judge.hear(true) && judge.hear(true));
        assert!(judge.is_steady());
    }
}
