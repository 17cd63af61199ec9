//! When a certificate expires.
//!
//! rustls does not say, and operators want to know before their clients do. The way there is short, by RFC 5280, section
//! 4.1: past the version, the serial number, the algorithm and the issuer, in a file that is our own.

/// The end of a certificate's validity, in seconds since 1970, if it has the form that it should.
pub(super) fn not_after(certificate: &[u8]) -> Option<u64> {
    let (certificate, _) = value_of(SEQUENCE, certificate)?;
    let (mut fields, _) = value_of(SEQUENCE, certificate)?;
    if let Some((_, rest)) = value_of(VERSION, fields) {
        fields = rest;
    }
    for tag in [INTEGER, SEQUENCE, SEQUENCE] {
        (_, fields) = value_of(tag, fields)?;
    }
    let (validity, _) = value_of(SEQUENCE, fields)?;
    let (_, _, not_after) = first(validity)?;
    let (tag, time, _) = first(not_after)?;
    seconds(tag, time)
}

/// The value of the first element of some DER, if it has this tag, and what stands behind it.
fn value_of(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    first(der).and_then(|(found, value, rest)| (found == tag).then_some((value, rest)))
}

/// The tag and the value of the first element of some DER, and what stands behind it.
fn first(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, short, rest @ ..] = der else { return None };
    let (length, rest) = if short & 0x80 == 0 {
        (usize::from(*short), rest)
    } else {
        let digits = usize::from(short & 0x7f);
        let (length, rest) = rest.split_at_checked(digits)?;
        (
            length
                .iter()
                .try_fold(0_usize, |sum, digit| sum.checked_mul(256)?.checked_add((*digit).into()))?,
            rest,
        )
    };
    let (value, rest) = rest.split_at_checked(length)?;
    Some((*tag, value, rest))
}

/// `YYMMDDHHMMSSZ`, which means 1950 to 2049, or `YYYYMMDDHHMMSSZ`.
fn seconds(tag: u8, time: &[u8]) -> Option<u64> {
    let digits = time.strip_suffix(b"Z")?;
    let (year, rest) = digits.split_at_checked(match tag {
        UTC_TIME => 2,
        GENERALIZED_TIME => 4,
        _ => return None,
    })?;
    let number = |digits: &[u8]| {
        digits
            .iter()
            .try_fold(0_u64, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
    };
    let year = match (tag, number(year)?) {
        (UTC_TIME, year @ 50..) => 1900 + year,
        (UTC_TIME, year) => 2000 + year,
        (_, year) => year,
    };
    let mut pairs = [0; 5];
    if rest.len() != 2 * pairs.len() {
        return None;
    }
    for (pair, digits) in pairs.iter_mut().zip(rest.chunks(2)) {
        *pair = number(digits)?;
    }
    let [month @ 1..=12, day @ 1..=31, hour, minute, second] = pairs else { return None };
    let days = days_before(year, month)?.checked_add(day - 1)?;
    Some(((days * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970 to the first of a month, by the Gregorian calendar.
fn days_before(year: u64, month: u64) -> Option<u64> {
    // In years that begin with March a leap day is the last one of its year.
    let (year, months) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * months + 2) / 5;
    days.checked_sub(719_468)
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// `[0]`, constructed.
const VERSION: u8 = 0xa0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_one_that_date_gives() {
        for (tag, time, expected) in [
            (UTC_TIME, "700101000000Z", Some(0)),
            (UTC_TIME, "000229235959Z", Some(951_868_799)),
            (UTC_TIME, "491231235959Z", Some(2_524_607_999)),
            (GENERALIZED_TIME, "20500101000000Z", Some(2_524_608_000)),
            (GENERALIZED_TIME, "21000301000000Z", Some(4_107_542_400)),
            (GENERALIZED_TIME, "99991231235959Z", Some(253_402_300_799)),
            (UTC_TIME, "500101000000Z", None),
            (UTC_TIME, "20500101000000Z", None),
            (UTC_TIME, "7001010000Z", None),
            (UTC_TIME, "701301000000Z", None),
            (UTC_TIME, "70010100000Z", None),
            (UTC_TIME, "7001010000+1Z", None),
            (INTEGER, "700101000000Z", None),
            (GENERALIZED_TIME, "00000101000000Z", None),
        ] {
            assert_eq!(seconds(tag, time.as_bytes()), expected, "{time}");
        }
    }

    #[test]
    fn der_that_ends_early_says_nothing() {
        let whole = [0x30, 0x82, 0x00, 0x03, 0x02, 0x01, 0x07];
        assert_eq!(value_of(SEQUENCE, &whole), Some((&whole[4..], &[][..])));
        for end in 0..whole.len() {
            assert_eq!(first(&whole[..end]), None);
        }
        assert_eq!(first(&[0x30, 0x8f, 0xff]), None);
        assert_eq!(not_after(&whole), None);
    }
}
