//! Counted allocations.
//!
//! The counter is the global allocator of every binary that links this crate, so no test can bring another one. It
//! counts by thread, and a `realloc` is one allocation more.

use std::hint::black_box;

/// What was allocated, whether or not it has been freed since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocations {
    /// How many allocations.
    pub count: u64,
    /// Of how many bytes in all.
    pub bytes: u64,
}

/// How many allocations `f` makes on this thread.
pub fn allocations<R>(f: impl FnOnce() -> R) -> u64 {
    allocations_of(f).count
}

/// What `f` allocates on this thread.
pub fn allocations_of<R>(f: impl FnOnce() -> R) -> Allocations {
    let measured = allocation_counter::measure(|| {
        black_box(f());
    });
    Allocations { count: measured.count_total, bytes: measured.bytes_total }
}
