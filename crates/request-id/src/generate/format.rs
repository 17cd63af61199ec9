//! From a moment and random bits to 128 bits, and from those to text.

use super::ticks::Tick;

/// `unix_ts_ms` 48, version 4, the count 12, variant 2, random 62.
pub(super) fn uuid7_bits(tick: Tick, random: u128) -> u128 {
    let head = u128::from(tick.ms & MS_MASK) << 80 | 0x7 << 76 | u128::from(tick.count) << 64;
    head | 0b10 << 62 | random & RANDOM_62
}

/// Time 48, the count 12, random 68: to a reader of ULIDs, a time and 80 bits that increase.
pub(super) fn ulid_bits(tick: Tick, random: u128) -> u128 {
    u128::from(tick.ms & MS_MASK) << 80 | u128::from(tick.count) << 68 | random & RANDOM_68
}

/// Hyphenated: 8-4-4-4-12.
pub(super) fn uuid7(bits: u128) -> [u8; 36] {
    let mut text = [b'-'; 36];
    for (pair, byte) in UUID_PAIRS.into_iter().zip(bits.to_be_bytes()) {
        text[pair..pair + 2].copy_from_slice(&HEX[usize::from(byte)]);
    }
    text
}

pub(super) fn hex32(bits: u128) -> [u8; 32] {
    let mut text = [0; 32];
    for (pair, byte) in text.chunks_exact_mut(2).zip(bits.to_be_bytes()) {
        pair.copy_from_slice(&HEX[usize::from(byte)]);
    }
    text
}

/// Five bits a character, from the right; the first character has the three that are left.
pub(super) fn ulid(bits: u128) -> [u8; 26] {
    let mut text = [0; 26];
    for (place, character) in text.iter_mut().rev().enumerate() {
        *character = CROCKFORD[(bits >> (5 * place)) as usize & 0x1f];
    }
    text
}

const MS_MASK: u64 = (1 << 48) - 1;
const RANDOM_62: u128 = (1 << 62) - 1;
const RANDOM_68: u128 = (1 << 68) - 1;
/// Where the two digits of each byte stand.
const UUID_PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
/// The two digits of every byte: half the look-ups of one digit at a time, which is what an id's cost is made of.
static HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut pairs = [[0; 2]; 256];
    let mut byte = 0;
    while byte < pairs.len() {
        pairs[byte] = [digits[byte >> 4], digits[byte & 0xf]];
        byte += 1;
    }
    pairs
};
/// Without I, L, O and U.
const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_9562_comes_out_as_printed_there() {
        // Appendix A.6: unix_ts_ms 0x017F22E279B0, rand_a 0xCC3, rand_b 0x18C4DC0C0C07398F.
        let tick = Tick { ms: 0x017f_22e2_79b0, count: 0xcc3 };
        let bits = uuid7_bits(tick, 0x18c4_dc0c_0c07_398f);
        assert_eq!(&uuid7(bits), b"017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    }

    #[test]
    fn the_right_most_seven_bytes_of_a_uuid_are_the_random_ones_untouched() {
        let tick = Tick { ms: u64::MAX, count: 0xfff };
        for random in [0, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef] {
            assert_eq!(uuid7_bits(tick, random) << 72, random << 72);
        }
    }

    #[test]
    fn a_ulid_has_its_time_first_and_the_largest_fits() {
        // The example of the specification: 01ARYZ6S41 is 1469918176385 ms.
        let text = ulid(ulid_bits(Tick { ms: 1_469_918_176_385, count: 0 }, 0));
        assert_eq!(&text, b"01ARYZ6S410000000000000000");
        assert_eq!(&ulid(u128::MAX), b"7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
    }

    #[test]
    fn a_later_tick_is_a_larger_id_whatever_is_random() {
        let (first, second) = (Tick { ms: 9, count: 0xfff }, Tick { ms: 10, count: 0 });
        assert!(uuid7(uuid7_bits(first, u128::MAX)) < uuid7(uuid7_bits(second, 0)));
        assert!(ulid(ulid_bits(first, u128::MAX)) < ulid(ulid_bits(second, 0)));
        let second = Tick { ms: 9, count: 0xfff };
        let first = Tick { ms: 9, count: 0xffe };
        assert!(uuid7(uuid7_bits(first, u128::MAX)) < uuid7(uuid7_bits(second, 0)));
        assert!(ulid(ulid_bits(first, u128::MAX)) < ulid(ulid_bits(second, 0)));
    }
}
