//! A guard that tells how it ended.

use std::sync::{Arc, Mutex, PoisonError};

use macadam_core::{End, Guard};

/// Every end that it, or a clone of it, was told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness(Arc<Mutex<Vec<End>>>);

impl Witness {
    pub(crate) fn ends(&self) -> Vec<End> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Guard for Witness {
    fn end(self, end: End) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(end);
    }
}
