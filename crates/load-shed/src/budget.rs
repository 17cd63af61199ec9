//! A count of what may be only so many.

use crate::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Relaxed},
};

#[derive(Default)]
pub(crate) struct Budget {
    taken: AtomicU32,
}

impl Budget {
    /// Takes one more, unless `most` are taken.
    pub(crate) fn enter(&self, most: u32) -> bool {
        let one_more = |taken| (taken < most).then(|| taken + 1);
        self.taken.fetch_update(AcqRel, Relaxed, one_more).is_ok()
    }

    /// Gives one back.
    pub(crate) fn leave(&self) {
        self.taken.fetch_sub(1, AcqRel);
    }

    pub(crate) fn taken(&self) -> u32 {
        self.taken.load(Relaxed)
    }
}
