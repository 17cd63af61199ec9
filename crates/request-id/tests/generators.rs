//! What the generators promise of their ids.

use std::{
    collections::HashSet,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use macadam_request_id::{Generate, Hex32, RequestId, Ulid, Uuid7};
use tokio::time::Instant;

const THREADS: usize = 4;
const IDS_A_THREAD: usize = 10_000;

/// Ids of several threads at once, each thread's in the order in which it made them.
fn made(generator: impl Generate + Copy) -> Vec<Vec<String>> {
    thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(move || {
                    (0..IDS_A_THREAD)
                        .map(|_| generator.generate(Instant::now()).expect("it has one").to_string())
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
    })
}

fn all_differ(made: &[Vec<String>]) -> bool {
    made.iter().flatten().collect::<HashSet<_>>().len() == THREADS * IDS_A_THREAD
}

fn increase_by_thread(made: &[Vec<String>]) -> bool {
    made.iter().all(|ids| ids.is_sorted_by(|a, b| a < b))
}

fn bits(hex: &str) -> u128 {
    u128::from_str_radix(&hex.replace('-', ""), 16).expect("these are hexadecimal digits")
}

/// The monobit test of NIST SP 800-22, 2.1, at six standard deviations: a false alarm in 500 million runs.
fn as_many_ones_as_zeros(ones: u64, bits: u64) -> bool {
    let excess = (2.0 * ones as f64 - bits as f64).abs();
    excess <= 6.0 * (bits as f64).sqrt()
}

#[test]
fn uuids_are_unique_and_increase_on_each_thread() {
    let made = made(Uuid7);
    assert!(all_differ(&made));
    assert!(increase_by_thread(&made));
    for id in made.iter().flatten() {
        assert_eq!(id.len(), 36);
        assert_eq!(bits(id) >> 76 & 0xf, 7, "the version of {id}");
        assert_eq!(bits(id) >> 62 & 0b11, 0b10, "the variant of {id}");
    }
}

#[test]
fn the_right_most_56_bits_of_uuids_are_random() {
    const RANDOM: u128 = (1 << 56) - 1;
    let made: Vec<_> = made(Uuid7).iter().flatten().map(|id| bits(id)).collect();
    let ones = |mask: u128| made.iter().map(|id| u64::from((id & mask).count_ones())).sum();
    let ids = made.len() as u64;
    assert!(as_many_ones_as_zeros(ones(RANDOM), 56 * ids));
    for bit in 0..56 {
        assert!(as_many_ones_as_zeros(ones(1 << bit), ids), "bit {bit}");
    }
    assert!(!as_many_ones_as_zeros(ones(1 << 127), ids), "a bit of the time, to show that the test can fail");
}

#[test]
fn a_uuid_begins_with_the_time() {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    // A thread of its own: one that has made thousands of ids in a millisecond is ahead of the clock.
    let (before, id, after) =
        thread::spawn(move || (now(), Uuid7.generate(Instant::now()).unwrap(), now())).join().unwrap();
    let ms = bits(id.as_str()) >> 80;
    assert!((before..=after).contains(&ms), "{before} <= {ms} <= {after}");
}

#[test]
fn ulids_are_unique_and_increase_on_each_thread() {
    let made = made(Ulid);
    assert!(all_differ(&made));
    assert!(increase_by_thread(&made));
    for id in made.iter().flatten() {
        assert_eq!(id.len(), 26);
        assert!(id.bytes().all(|byte| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(&byte)), "{id}");
        assert!(id.as_bytes()[0] <= b'7', "{id} has more than 128 bits");
    }
}

#[test]
fn hex_ids_are_32_digits_and_all_128_bits_are_random() {
    let made = made(Hex32);
    assert!(all_differ(&made));
    assert!(made.iter().flatten().all(|id| id.len() == 32));
    let ones = made.iter().flatten().map(|id| u64::from(bits(id).count_ones())).sum();
    assert!(as_many_ones_as_zeros(ones, 128 * (THREADS * IDS_A_THREAD) as u64));
}

#[test]
fn every_generator_makes_valid_ids() {
    for generator in [&Uuid7 as &dyn Generate, &Ulid, &Hex32] {
        let id = generator.generate(Instant::now()).unwrap();
        assert_eq!(RequestId::try_from(id.as_str()), Ok(id));
    }
}
