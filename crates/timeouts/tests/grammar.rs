//! How a timeout is written in a header: what is read, what is refused, and what the next hop is told.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use macadam_test::allocations;
use macadam_timeouts::TimeoutHeader;
use proptest::prelude::*;

const MILLIS: [TimeoutHeader; 3] = [
    TimeoutHeader::connect(),
    TimeoutHeader::envoy(),
    TimeoutHeader::millis(HeaderName::from_static("x-request-timeout-ms")),
];

fn read(header: &TimeoutHeader, text: impl AsRef<[u8]>) -> Option<Duration> {
    header.parse(&HeaderValue::from_bytes(text.as_ref()).expect("a header can carry it"))
}

fn written(header: &TimeoutHeader, left: Duration) -> Option<String> {
    header.value(left).map(|value| value.to_str().expect("it is text").to_owned())
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn grpc_timeout_is_read_as_grpc_go_reads_it() {
    let table = [
        ("00000001n", Some(Duration::from_nanos(1))),
        ("10u", Some(Duration::from_micros(10))),
        ("00000010m", Some(Duration::from_millis(10))),
        ("1234S", Some(secs(1234))),
        ("00000001M", Some(secs(60))),
        ("09999999S", Some(secs(9_999_999))),
        ("99999999S", Some(secs(99_999_999))),
        ("99999999M", Some(secs(99_999_999 * 60))),
        ("2562047H", Some(secs(2_562_047 * 3_600))),
        // These two are more than grpc-go's clock can say, where they are clamped. Ours can.
        ("2562048H", Some(secs(2_562_048 * 3_600))),
        ("99999999H", Some(secs(99_999_999 * 3_600))),
        ("0S", Some(secs(0))),
        ("00000000S", Some(secs(0))),
        ("-1S", None),
        ("1234x", None),
        ("1234s", None),
        ("1234", None),
        ("1", None),
        ("", None),
        ("9a1S", None),
        ("0a1S", None),
        ("a01S", None),
        ("000000000S", None),
    ];
    for (text, timeout) in table {
        assert_eq!(read(&TimeoutHeader::grpc(), text), timeout, "{text:?}");
    }
}

#[test]
fn what_other_parsers_let_pass_is_malformed() {
    let long = "1".repeat(64 << 10);
    for text in
        ["+5S", " 5S", "5 S", "5S ", "５S", "5s", "123456789S", "", "S", "5SS", "5.0S", "1,5S", "0x5S", &long]
    {
        assert_eq!(read(&TimeoutHeader::grpc(), text), None, "{:?}", &text[..text.len().min(12)]);
    }
    for header in MILLIS {
        for text in ["+5", "-5", " 5", "5 ", "５", "5m", "5ms", "5.0", "5,6", "0x5", "1e3", "", &long] {
            assert_eq!(read(&header, text), None, "{header:?} {:?}", &text[..text.len().min(12)]);
        }
    }
}

#[test]
fn milliseconds_have_one_to_ten_digits() {
    for header in MILLIS {
        assert_eq!(read(&header, "5"), Some(Duration::from_millis(5)));
        assert_eq!(read(&header, "0000000005"), Some(Duration::from_millis(5)));
        assert_eq!(read(&header, "9999999999"), Some(Duration::from_millis(9_999_999_999)));
        assert_eq!(read(&header, "00000000005"), None);
        assert_eq!(read(&header, "10000000000"), None);
    }
}

#[test]
fn zero_is_over_at_once_but_to_envoy_it_is_for_ever() {
    assert_eq!(read(&TimeoutHeader::connect(), "0"), Some(Duration::ZERO));
    assert_eq!(read(&TimeoutHeader::envoy(), "0"), Some(Duration::MAX));
}

#[test]
fn a_timeout_is_written_in_the_finest_unit_that_fits_and_rounded_down() {
    let nanos = Duration::from_nanos;
    let grpc = [
        (nanos(1), "1n"),
        (nanos(99_999_999), "99999999n"),
        (nanos(100_000_000), "100000u"),
        (nanos(100_000_999), "100000u"),
        (nanos(99_999_999_999), "99999999u"),
        (secs(100), "100000m"),
        (secs(99_999), "99999000m"),
        (secs(100_000), "100000S"),
        (secs(99_999_999), "99999999S"),
        (secs(100_000_000), "1666666M"),
        (secs(5_999_999_999), "99999999M"),
        (secs(6_000_000_000), "1666666H"),
        (Duration::MAX, "5124095H"),
    ];
    for (left, text) in grpc {
        assert_eq!(written(&TimeoutHeader::grpc(), left).as_deref(), Some(text), "{left:?}");
    }
    for header in MILLIS {
        for (left, text) in [
            (nanos(1_000_000), "1"),
            (nanos(1_999_999), "1"),
            (secs(3), "3000"),
            (secs(9_999_999), "9999999000"),
            (secs(10_000_000), "9999999999"),
            (Duration::MAX, "9999999999"),
        ] {
            assert_eq!(written(&header, left).as_deref(), Some(text), "{left:?}");
        }
    }
}

#[test]
fn what_is_less_than_a_header_can_say_is_not_written() {
    assert_eq!(written(&TimeoutHeader::grpc(), Duration::ZERO), None);
    for header in MILLIS {
        assert_eq!(written(&header, Duration::ZERO), None);
        assert_eq!(written(&header, Duration::from_nanos(999_999)), None);
    }
}

#[test]
fn reading_costs_no_allocation_and_writing_the_values_own() {
    let header = TimeoutHeader::grpc();
    let value = HeaderValue::from_static("2999999u");
    assert_eq!(allocations(|| header.parse(&value)), 0);
    assert_eq!(allocations(|| header.value(secs(3))), 1);
    assert_eq!(allocations(|| HeaderValue::from_bytes(b"3000000u")), 1, "the control");
}

/// The grammar once more, by the means of the standard library.
fn reference(text: &str, grpc: bool) -> Option<Duration> {
    let (digits, unit) = if grpc { text.split_at_checked(text.len().checked_sub(1)?)? } else { (text, "m") };
    let most = if grpc { 8 } else { 10 };
    if digits.len() > most || !digits.chars().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let amount: u128 = digits.parse().ok()?;
    let nanos = match unit {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1_000,
        "n" => 1,
        _ => return None,
    };
    let nanos = amount * nanos;
    let secs = u64::try_from(nanos / 1_000_000_000).expect("8 digits of hours fit");
    Some(Duration::new(secs, u32::try_from(nanos % 1_000_000_000).expect("it is a remainder")))
}

proptest! {
    #[test]
    fn nothing_is_read_otherwise_than_by_the_grammar(
        text in prop_oneof!["[0-9]{0,12}[HMSmunx]?", "[ +0-9HMSmun.-]{0,10}", "[ -~]{0,12}", "\\PC{0,6}"],
    ) {
        if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
            prop_assert_eq!(TimeoutHeader::grpc().parse(&value), reference(&text, true));
            prop_assert_eq!(TimeoutHeader::connect().parse(&value), reference(&text, false));
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_refused_and_never_panic(bytes in prop::collection::vec(0x80_u8.., 0..12)) {
        let value = HeaderValue::from_bytes(&bytes).expect("a header can carry it");
        prop_assert_eq!(TimeoutHeader::grpc().parse(&value), None);
        prop_assert_eq!(TimeoutHeader::envoy().parse(&value), None);
    }

    #[test]
    fn the_next_hop_never_gets_more_than_is_left_and_little_less(
        secs in prop_oneof![0_u64..10, 0_u64..200_000, 0_u64..10_000_000_000, any::<u64>()],
        nanos in 0_u32..1_000_000_000,
    ) {
        let left = Duration::new(secs, nanos);
        for header in [TimeoutHeader::grpc(), TimeoutHeader::connect(), TimeoutHeader::envoy()] {
            let Some(value) = header.value(left) else {
                prop_assert!(left < Duration::from_millis(1));
                continue;
            };
            let told = header.parse(&value).expect("what we write we can read");
            prop_assert!(told <= left, "{:?} of {:?}", told, left);
            let lost = if header == TimeoutHeader::grpc() { left / 1_000 } else { Duration::from_millis(1) };
            prop_assert!(left - told <= lost || left > Duration::from_secs(9_999_999), "{:?} of {:?}", told, left);
        }
    }
}
