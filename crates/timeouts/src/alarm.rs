//! A timer that is moved as seldom as possible.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    task::coop,
    time::{Instant, Sleep, sleep_until},
};

/// One timer for an instant that moves with every wait. Moving a timer takes a lock in the runtime, so one that is set
/// too early is left to fire and set anew then: once a period, not once a wait.
///
/// It is boxed: who never waits should not be as large as a timer.
#[derive(Debug)]
pub(crate) struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Not armed.
    pub(crate) fn new() -> Self {
        Self { sleep: None }
    }

    /// Ready once `due` has passed. Outside the task's budget: what uses that up would never be found late.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if sleep.deadline() > due {
            sleep.as_mut().reset(due);
        }
        loop {
            ready!(Pin::new(&mut coop::unconstrained(sleep.as_mut())).poll(cx));
            if sleep.deadline() >= due {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(due);
        }
    }
}
