//! From looks at the gate to rules for it.

use std::{fmt, time::Duration};

use super::{
    backlog::Backlog,
    controller::Controller,
    look::{Look, Rules},
    windows::Windows,
};

/// Makes windows of looks, asks a [`Controller`] for the limit, and sees whether a queue is a burst or an overload.
pub struct Tuner {
    controller: Box<dyn Controller>,
    windows: Windows,
    backlog: Backlog,
    rules: Rules,
}

impl Tuner {
    /// Starts from where the controller does, with a queue and a wait that are the most that there will ever be.
    pub fn new(controller: impl Controller, queue: u16, max_wait: Duration) -> Self {
        let rules = Rules { limit: controller.start(), queue, newest_first: false, max_wait };
        let backlog = Backlog::new(&rules);
        Self { controller: Box::new(controller), windows: Windows::default(), backlog, rules }
    }

    /// The rules from now on, where `elapsed` has passed since the last look.
    pub fn on_beat(&mut self, elapsed: Duration, look: Look) -> Rules {
        if let Some(window) = self.windows.on_beat(elapsed, look, self.rules.limit) {
            let limit = self.controller.on_window(&window);
            if limit != self.rules.limit {
                self.rules.limit = limit;
                self.windows.settle();
            }
        }
        self.backlog.on_beat(elapsed, look, &mut self.rules);
        self.rules
    }

    /// Changes the most that the queue and the wait in it will ever be.
    pub fn set_most(&mut self, queue: u16, max_wait: Duration) {
        self.backlog.set_most(queue, max_wait);
        self.rules.queue = self.rules.queue.min(queue);
        self.rules.max_wait = max_wait;
    }

    /// The rules as they are.
    pub fn rules(&self) -> Rules {
        self.rules
    }
}

impl fmt::Debug for Tuner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tuner").field("rules", &self.rules).finish_non_exhaustive()
    }
}
