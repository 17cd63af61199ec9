//! Every interleaving of who writes an exemplar and who reads it, by the model checker:
//!
//! `RUSTFLAGS="--cfg macadam_loom" CARGO_TARGET_DIR=target/loom cargo test --release -p macadam-telemetry --test loom`

#![cfg(macadam_loom)]

#[path = "../src/metrics/place.rs"]
mod place;

mod sync {
    pub(crate) use loom::sync::atomic;
}

use std::sync::Arc;

use loom::thread;
use place::Place;

#[test]
fn what_is_read_is_one_writing_and_no_mixture() {
    loom::model(|| {
        let place = Arc::new(Place::<2>::default());
        place.write(2, [2; 2]);
        // The checker moves a thread only ahead of the last access to what it touches: so the first one writes.
        let reader = thread::spawn({
            let place = Arc::clone(&place);
            move || {
                let words = place.read();
                assert!(words.is_none_or(|words| words == [2; 2] || words == [4; 2]), "{words:?}");
            }
        });
        place.write(4, [4; 2]);
        reader.join().unwrap();
        assert_eq!(place.read(), Some([4; 2]));
    });
}

#[test]
fn of_two_in_one_turn_one_writes_and_is_read() {
    loom::model(|| {
        let place = Arc::new(Place::<2>::default());
        let other = thread::spawn({
            let place = Arc::clone(&place);
            move || {
                place.write(2, [1; 2]);
                place.read()
            }
        });
        if place.is_open(2) {
            place.write(2, [3; 2]);
        }
        let seen = other.join().unwrap();
        let last = place.read();
        assert!(last == Some([1; 2]) || last == Some([3; 2]), "{last:?}");
        assert!(seen.is_none() || seen == last, "{seen:?} {last:?}");
    });
}

#[test]
fn who_is_a_turn_late_does_not_write_over_the_next() {
    loom::model(|| {
        let place = Arc::new(Place::<2>::default());
        let late = thread::spawn({
            let place = Arc::clone(&place);
            move || place.write(2, [2; 2])
        });
        place.write(4, [4; 2]);
        let seen = place.read();
        late.join().unwrap();
        let last = place.read().expect("nobody is writing");
        assert!(last == [2; 2] || last == [4; 2], "{last:?}");
        assert!(seen != Some([4; 2]) || last == [4; 2], "{seen:?} {last:?}");
    });
}
