//! The last requests that were slow or failed.

use std::{collections::VecDeque, time::Duration};

use http::StatusCode;
use tokio::time::Instant;

use crate::{
    context::{Id, Outcome, RequestContext, Route},
    sync::{Mutex, lock},
};

/// A request that is over, and was slow or failed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Noted {
    /// Its id, where it had one.
    pub id: Option<Id>,
    /// Its method's name, `_OTHER` where a peer made it up.
    pub method: &'static str,
    /// The matched route, where one was.
    pub route: Option<Route>,
    /// The status of its answer, where it had one.
    pub status: Option<StatusCode>,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, from its arrival to its end.
    pub took: Duration,
    /// When it ended.
    pub ended: Instant,
}

/// One thread's share of them, the oldest first.
pub(super) struct Notes(Mutex<VecDeque<Noted>>);

impl Noted {
    pub(super) fn of(context: &RequestContext, status: Option<StatusCode>, took: Duration) -> Self {
        Self {
            id: context.request_id(),
            method: context.wire().method_name(),
            route: context.route(),
            status,
            outcome: context.outcome(),
            took,
            ended: context.arrival() + took,
        }
    }
}

impl Notes {
    pub(super) fn new() -> Self {
        Self(Mutex::new(VecDeque::new()))
    }

    /// A request does not wait to be noted: while another is, or somebody reads, this one is left out.
    #[cold]
    pub(super) fn add(&self, noted: Noted) {
        let Ok(mut notes) = self.0.try_lock() else { return };
        if notes.len() == KEPT {
            notes.pop_front();
        }
        notes.push_back(noted);
    }

    pub(super) fn copy_to(&self, all: &mut Vec<Noted>) {
        // Not under the lock.
        all.reserve(KEPT);
        all.extend(lock(&self.0).iter());
    }
}

const KEPT: usize = 32;
