//! To have all sent that waits, by a certain time.

use std::time::Duration;

use tokio::{sync::watch, time::Instant};

/// Somebody wants all sent that waits now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flush {
    /// Of as many as there have been.
    pub(crate) number: u64,
    /// When whoever wants it will not wait any more.
    pub(crate) until: Option<Instant>,
}

/// Asks for flushes, and hears when they are done.
#[derive(Debug)]
pub(crate) struct Bell {
    asked: watch::Sender<Flush>,
    done: watch::Sender<[u64; 3]>,
}

/// One signal's end of the bell.
pub(crate) struct Ear {
    pub(crate) asked: watch::Receiver<Flush>,
    done: watch::Sender<[u64; 3]>,
    place: usize,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self { asked: watch::Sender::default(), done: watch::Sender::new([u64::MAX; 3]) }
    }

    /// For the signal at this place, of three; what nobody listens for counts as done.
    pub(crate) fn ear(&self, place: usize) -> Ear {
        self.done.send_modify(|done| done[place] = 0);
        Ear { asked: self.asked.subscribe(), done: self.done.clone(), place }
    }

    /// Whether all that waited was sent, or given up, within this time.
    pub(crate) async fn ring(&self, limit: Duration) -> bool {
        let mut number = 0;
        self.asked.send_modify(|flush| {
            flush.number += 1;
            flush.until = Some(Instant::now() + limit);
            number = flush.number;
        });
        let mut done = self.done.subscribe();
        let all = done.wait_for(|done| done.iter().all(|done| *done >= number));
        tokio::time::timeout(limit, all).await.is_ok_and(|done| done.is_ok())
    }
}

impl Ear {
    /// Waits so long, or until somebody wants a flush: then that one.
    pub(crate) async fn listen(&mut self, time: Duration) -> Option<u64> {
        tokio::select! {
            biased;
            Ok(()) = self.asked.changed() => Some(self.asked.borrow_and_update().number),
            () = tokio::time::sleep(time) => None,
        }
    }

    pub(crate) fn done(&self, number: u64) {
        self.done.send_modify(|done| done[self.place] = number);
    }
}
