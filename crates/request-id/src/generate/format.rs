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
#[inline]
pub(super) fn uuid7(bits: u128) -> [u8; 36] {
    let [a, b, c, d] = digits(bits);
    let dash = |place: u32| u64::from(b'-') << (8 * place);
    // Put together in registers: text that is written in pieces and read as a whole soon after makes the reader wait.
    let words = [
        a,
        dash(7) | b >> 32 << 24 | dash(2) | b >> 16 & 0xffff,
        b << 48 | dash(5) | c >> 32 << 8 | dash(0),
        c << 32 | d >> 32,
        d << 32,
    ];
    let mut text = [0; 36];
    for (place, word) in text.chunks_mut(8).zip(words) {
        place.copy_from_slice(&word.to_be_bytes()[..place.len()]);
    }
    text
}

#[inline]
pub(super) fn hex32(bits: u128) -> [u8; 32] {
    let mut text = [0; 32];
    for (place, digits) in text.chunks_exact_mut(8).zip(digits(bits)) {
        place.copy_from_slice(&digits.to_be_bytes());
    }
    text
}

/// 32 bits a word, the first digit uppermost.
#[inline]
fn digits(bits: u128) -> [u64; 4] {
    // Written out, since `map` on an array is a call that is not inlined.
    let word = |shift: u32| hex8(u64::from((bits >> shift) as u32));
    [word(96), word(64), word(32), word(0)]
}

/// The eight digits of 32 bits, all at once: half the time of a look-up for each byte, and an id is mostly this.
fn hex8(word: u64) -> u64 {
    // One nibble a byte, in order.
    let halves = (word & 0xffff_0000) << 16 | word & 0xffff;
    let bytes = (halves & 0x0000_ff00_0000_ff00) << 8 | halves & 0x0000_00ff_0000_00ff;
    let nibbles = (bytes & 0x00f0_00f0_00f0_00f0) << 4 | bytes & 0x000f_000f_000f_000f;
    // Six more carries into the upper half of the byte from ten on: there the letters begin, 39 after the digits.
    let letters = (nibbles + 6 * EACH) >> 4 & EACH;
    nibbles + u64::from(b'0') * EACH + letters * u64::from(b'a' - b'0' - 10)
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
/// One in each byte.
const EACH: u64 = 0x0101_0101_0101_0101;
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
    fn every_digit_comes_out_in_every_place() {
        for bits in [
            0x0123_4567_89ab_cdef_fedc_ba98_7654_3210,
            0,
            u128::MAX,
            0xa0b1_c2d3_e4f5_0617_2839_4a5b_6c7d_8e9f,
        ] {
            assert_eq!(hex32(bits), format!("{bits:032x}").as_bytes());
        }
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
