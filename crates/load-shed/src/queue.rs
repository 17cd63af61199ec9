//! Who waits at the gate, in the order of arrival.
//!
//! A list through the entries of a slab: a place in the middle is given up in a few writes, and the memory stays
//! that of the longest queue there ever was.

use std::task::Waker;

use slab::Slab;

#[derive(Default)]
pub(crate) struct Queue {
    waiters: Slab<Waiter>,
    front: Option<usize>,
    back: Option<usize>,
}

struct Waiter {
    /// Handed a slot, and so no longer in the list.
    granted: bool,
    ahead: Option<usize>,
    behind: Option<usize>,
    waker: Option<Waker>,
}

/// What a waiter leaves behind. Its waker is to be dropped when the queue is no longer locked.
pub(crate) struct Left {
    pub(crate) granted: bool,
    pub(crate) _waker: Option<Waker>,
}

impl Queue {
    /// Puts a waiter at the end.
    pub(crate) fn push_back(&mut self) -> usize {
        let waiter = Waiter { granted: false, ahead: self.back, behind: None, waker: None };
        let key = self.waiters.insert(waiter);
        match self.back.replace(key) {
            Some(back) => self.waiters[back].behind = Some(key),
            None => self.front = Some(key),
        }
        key
    }

    /// Hands a slot to the first in the list, whose entry stays until it is asked for. Returns whom to wake.
    pub(crate) fn grant_front(&mut self) -> Option<Waker> {
        let key = self.front?;
        self.unlink(key);
        let waiter = &mut self.waiters[key];
        waiter.granted = true;
        waiter.waker.take()
    }

    /// `None` if the waiter was handed a slot, and its entry is gone. Else it will be woken, and the waker that it
    /// had before is returned.
    pub(crate) fn poll(&mut self, key: usize, waker: &Waker) -> Option<Option<Waker>> {
        let waiter = &mut self.waiters[key];
        if waiter.granted {
            self.waiters.remove(key);
            return None;
        }
        match &waiter.waker {
            Some(present) if present.will_wake(waker) => Some(None),
            _ => Some(waiter.waker.replace(waker.clone())),
        }
    }

    /// Takes a waiter out, wherever it stands.
    pub(crate) fn remove(&mut self, key: usize) -> Left {
        if !self.waiters[key].granted {
            self.unlink(key);
        }
        let waiter = self.waiters.remove(key);
        Left { granted: waiter.granted, _waker: waiter.waker }
    }

    fn unlink(&mut self, key: usize) {
        let Waiter { ahead, behind, .. } = self.waiters[key];
        match ahead {
            Some(ahead) => self.waiters[ahead].behind = behind,
            None => self.front = behind,
        }
        match behind {
            Some(behind) => self.waiters[behind].ahead = ahead,
            None => self.back = ahead,
        }
    }
}
