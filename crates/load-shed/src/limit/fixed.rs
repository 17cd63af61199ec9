//! No law at all.

use super::controller::{Controller, Window};
use crate::ConfigError;

/// A limit that stays.
#[derive(Clone, Copy, Debug)]
pub struct Fixed(u32);

impl Fixed {
    /// Always `limit`.
    ///
    /// # Errors
    ///
    /// If the limit is 0 or more than 1,000,000.
    pub fn new(limit: u32) -> Result<Self, ConfigError> {
        ConfigError::check_limit(limit).map(Self)
    }
}

impl Controller for Fixed {
    fn start(&self) -> u32 {
        self.0
    }

    fn on_window(&mut self, _: &Window) -> u32 {
        self.0
    }
}
