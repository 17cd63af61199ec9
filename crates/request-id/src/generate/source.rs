//! What each thread makes its ids of: a clock and random bits.
//!
//! All of it is the thread's own. An id costs no lock, no system call, no look at the clock but one a second, and no
//! allocation.

use std::{
    cell::RefCell,
    hash::{BuildHasher, RandomState},
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use tokio::time::Instant;

use super::{ticks::Tick, wall::Wall};

/// A thread's own source of ids.
pub(super) struct Source {
    random: ChaCha8Rng,
    /// How many ids the present seed is still good for.
    seed_left: u32,
    last: Tick,
    wall: Wall,
}

/// Makes an id with this thread's source: `text` gets the moment and 128 random bits, and writes a valid id.
#[inline]
pub(super) fn make<const N: usize>(arrival: Instant, text: impl Fn(Tick, u128) -> [u8; N]) -> [u8; N] {
    thread_local!(static SOURCE: RefCell<Source> = RefCell::new(Source::new()));
    // A thread that is torn down has no source left, and may still answer a request.
    let (tick, random) = SOURCE
        .try_with(|source| source.borrow_mut().next(arrival))
        .unwrap_or_else(|_| Source::new().next(arrival));
    text(tick, random)
}

impl Source {
    fn new() -> Self {
        let random = ChaCha8Rng::try_from_os_rng().unwrap_or_else(|_| makeshift());
        Self { random, seed_left: IDS_PER_SEED, last: Tick::default(), wall: Wall::default() }
    }

    fn next(&mut self, arrival: Instant) -> (Tick, u128) {
        let now = self.wall.at(arrival, || SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
        self.draw(now)
    }

    /// The next moment and random bits, where the clock says `now` (since 1970).
    fn draw(&mut self, now: Duration) -> (Tick, u128) {
        if self.seed_left == 0 {
            self.seed_left = IDS_PER_SEED;
            // Where the system has no randomness to give, the old stream is still good.
            if let Ok(seeded) = ChaCha8Rng::try_from_os_rng() {
                self.random = seeded;
            }
        }
        self.seed_left -= 1;
        // A process forked off between two seeds has the same stream, but does not draw in the same nanosecond.
        let nanos = now.as_nanos() as u64;
        let random = u128::from(self.random.next_u64()) << 64 | u128::from(self.random.next_u64() ^ nanos);
        self.last = self.last.next(now.as_millis() as u64, (random >> 112) as u16);
        (self.last, random)
    }
}

/// For a system that has no randomness to give when a thread starts: unique, if easier to guess.
fn makeshift() -> ChaCha8Rng {
    let moment = (SystemTime::now(), thread::current().id());
    ChaCha8Rng::seed_from_u64(RandomState::new().hash_one(moment))
}

/// 64 KiB of the stream, as `rand`'s generator for threads does.
const IDS_PER_SEED: u32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    /// The same memory in two processes.
    fn forked(source: &Source) -> Source {
        Source { random: source.random.clone(), ..*source }
    }

    #[test]
    fn a_fork_repeats_no_id_although_it_repeats_the_stream() {
        const RANDOM_OF_A_UUID: u128 = (1 << 62) - 1;
        let parent = Source::new();
        let now = Duration::from_millis(1_700_000_000_000);
        assert_eq!(
            forked(&parent).draw(now),
            forked(&parent).draw(now),
            "in the same nanosecond they are one"
        );

        let (mut one, mut other) = (forked(&parent), forked(&parent));
        for _ in 0..1000 {
            let (one, other) = (one.draw(now).1, other.draw(now + Duration::from_nanos(1)).1);
            assert_ne!(one & RANDOM_OF_A_UUID, other & RANDOM_OF_A_UUID);
        }
    }

    #[test]
    fn a_seed_is_good_for_4096_ids() {
        let mut source = Source::new();
        let now = Duration::ZERO;
        for _ in 0..IDS_PER_SEED - 1 {
            source.draw(now);
        }
        let mut twin = forked(&source);
        assert_eq!(source.draw(now), twin.draw(now), "the last of the old seed");
        assert_ne!(source.draw(now).1, twin.draw(now).1, "the first of two new ones");
    }

    #[test]
    fn the_order_holds_when_the_clock_is_set_back_by_an_hour() {
        let mut source = Source::new();
        let hour = Duration::from_secs(3600);
        let (before, _) = source.draw(2 * hour);
        let (after, _) = source.draw(hour);
        assert!(after > before);
    }

    #[test]
    fn the_makeshift_seed_differs_each_time() {
        assert_ne!(makeshift().next_u64(), makeshift().next_u64());
    }
}
