//! The memory in which ids lie while they are in headers.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use macadam_core::context::Id;

/// The id for a header, in memory of this thread: an allocation for a hundred of them, and none at all where the older
/// ones are no longer in use by then.
pub(crate) fn header_value(id: &Id) -> HeaderValue {
    thread_local!(static ARENA: RefCell<BytesMut> = RefCell::default());
    let text = id.as_bytes();
    // A thread that is torn down has none left, and may still answer a request.
    let written = ARENA
        .try_with(|arena| write(&mut arena.borrow_mut(), text))
        .unwrap_or_else(|_| Bytes::copy_from_slice(text));
    HeaderValue::from_maybe_shared(written).expect("every byte of an id may be in a header")
}

fn write(arena: &mut BytesMut, text: &[u8]) -> Bytes {
    if arena.capacity() < text.len() {
        arena.reserve(ARENA_BYTES);
    }
    arena.extend_from_slice(text);
    arena.split().freeze()
}

/// Room for 113 UUIDs. A header value that is kept keeps this much.
const ARENA_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: u64 = 10_000;

    #[test]
    fn values_that_are_all_kept_cost_less_than_a_fiftieth_of_an_allocation_each() {
        let id = "01938f3c-6c5b-7a42-b0e1-5f0c9d1e2a37".parse().unwrap();
        let mut kept = Vec::with_capacity(IDS as usize);
        let count = macadam_test::allocations(|| kept.extend((0..IDS).map(|_| header_value(&id))));
        assert!(kept.iter().all(|value| value == id.as_str()));
        assert!((IDS / 150..IDS / 50).contains(&count), "{count} allocations for {IDS} values");
    }

    #[test]
    fn values_that_are_dropped_cost_none() {
        let ids =
            ["short", "01938f3c-6c5b-7a42-b0e1-5f0c9d1e2a37", &"x".repeat(128)].map(|id| id.parse().unwrap());
        header_value(&ids[0]);
        let count = macadam_test::allocations(|| {
            for id in ids.iter().cycle().take(IDS as usize) {
                assert_eq!(header_value(id), id.as_str());
            }
        });
        assert_eq!(count, 0);
    }
}
