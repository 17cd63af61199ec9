//! Bodies that go on, and who of them waits for its client.
//!
//! A body has its slot for the work that it is. One that has a frame ready which nobody asks for does no work, and a
//! client that reads a little now and then could keep a slot for as long as it likes. Nobody polls such a body, so nobody
//! in it can look at a clock: a task looks at all of them, every [`LOOK`] while there are any. Looks are counted, for a
//! body that waits for its client, and against it if its client waits for it; who is [`MOST`] ahead moves to the streams.
//! So a database's cursor that is slower than its client keeps its slot for an hour, and a file that is faster does not. Of
//! a gRPC response every look counts: what goes on for that long is taken for a stream, since its head does not say.
//!
//! A body is here from its first frame that is not its last: most responses have none such. In HTTP/2 it is from its head
//! on, for a client that has no window open is not even asked for the first.

use std::{sync::Arc, time::Duration};

use macadam_core::{Sharded, Share};
use slab::Slab;
use tokio::time::sleep;

use crate::{
    errand::{Errand, State},
    gate::{Gate, Use},
    sync::{Mutex, lock},
};

/// The bodies that were watched from the start, or came to be.
pub(crate) struct Bodies {
    shares: Sharded<Mutex<Slab<Course>>>,
    state: State,
}

/// How a body has gone so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    pub(crate) tenant: Option<u64>,
    pub(crate) use_: Use,
    pub(crate) kind: Kind,
    /// It has handed on what it had, and nobody has asked for more.
    pub(crate) waits: bool,
    /// Its slot was exchanged for a stream's.
    pub(crate) moved: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It has been seen to wait for its client so many times more often than not.
    Work(u8),
    /// It has been seen so many times.
    Grpc(u8),
    /// It is a stream, and there was no room among them.
    Stream,
}

/// A body's place among those that are watched; to be left.
pub(crate) struct Place {
    share: Arc<Share<Mutex<Slab<Course>>>>,
    key: usize,
}

impl Bodies {
    pub(crate) fn new() -> Self {
        Self { shares: Sharded::new(|| Mutex::new(Slab::new())), state: State::default() }
    }

    /// Whether there is a body whose slot may yet be taken.
    fn any(&self) -> bool {
        self.shares.iter().any(|share| lock(share).iter().any(|(_, course)| !course.moved))
    }

    pub(crate) fn enter(&self, course: Course) -> Place {
        // A share for each thread: nobody waits for this lock but for a look that is being taken.
        let share = self.shares.mine().hold();
        let key = lock(&share).insert(course);
        Place { share, key }
    }
}

impl Place {
    /// Says whether the body waits for its client from now on, or its client for it.
    pub(crate) fn waits(&self, waits: bool) {
        lock(&self.share)[self.key].waits = waits;
    }

    pub(crate) fn leave(self) -> Course {
        lock(&self.share).remove(self.key)
    }
}

impl Course {
    /// Whether it should be among the streams, after one more look.
    fn is_due(&mut self) -> bool {
        match &mut self.kind {
            Kind::Work(looks) if !self.waits => {
                *looks = looks.saturating_sub(1);
                false
            }
            Kind::Work(looks) | Kind::Grpc(looks) => {
                *looks = (*looks + 1).min(MOST);
                *looks == MOST
            }
            Kind::Stream => true,
        }
    }
}

impl Gate {
    /// Takes the slots of those who have waited for their clients for too long, while there is room among the streams.
    pub(crate) fn look_at_bodies(&self) {
        for share in self.bodies.shares.iter() {
            let mut moved = Vec::new();
            for (_, course) in lock(share).iter_mut().filter(|(_, course)| !course.moved) {
                if course.is_due() && self.streams.enter(self.max_streams()) {
                    course.moved = true;
                    moved.push(*course);
                }
            }
            // A slot's release wakes who waits for it, and what wakes may be dropped: not under the lock.
            moved.into_iter().for_each(|course| self.release(course.tenant, course.use_));
        }
    }
}

impl Errand for Gate {
    fn state(&self) -> &State {
        &self.bodies.state
    }

    async fn run(&self) {
        let mut idle = 0;
        while idle < LINGER {
            sleep(LOOK).await;
            self.look_at_bodies();
            idle = if self.bodies.any() { 0 } else { idle + 1 };
        }
    }

    fn is_needed(&self) -> bool {
        self.bodies.any()
    }
}

/// From a look to the next.
const LOOK: Duration = Duration::from_millis(10);
/// A tenth of a second, and the look that may have come right after the start.
const MOST: u8 = 11;
/// How many looks at nothing it takes to end: a tenth of a second, so that one body after the other does not start the
/// task each time.
const LINGER: u32 = 10;
