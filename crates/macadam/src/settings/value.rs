//! What a setting may be, and how it is written.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use http::HeaderName;
use macadam_health::OnDrain;
use macadam_load_shed::Mode;
use macadam_serve::HandOver;
use macadam_telemetry::{Access, Inbound as TrustInbound};
use macadam_timeouts::Malformed;

/// A type of setting: how it is read, how it is written, and what to tell somebody who got it wrong.
pub(super) trait Value: Sized {
    /// What is expected, as the end of the sentence "expected …".
    const EXPECTS: &'static str;

    fn parse(text: &str) -> Option<Self>;

    fn show(&self) -> String;
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}

/// Units from large to small: the first that divides a value is the one that it is shown in.
const DURATIONS: [(&str, u128); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];
const SIZES: [(&str, u128); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// A whole number and a unit, as a multiple of the smallest unit.
fn parse_with_unit(text: &str, units: &[(&str, u128)]) -> Option<u128> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u128>().ok()?.checked_mul(*factor)
}

fn show_with_unit(value: u128, units: &[(&str, u128)]) -> String {
    let smallest = units.len() - 1;
    let divides = |(_, factor): &&(&str, u128)| value != 0 && value % *factor == 0;
    let zero = units.iter().find(|(name, _)| matches!(*name, "s" | "B"));
    let (name, factor) = units.iter().find(divides).or(zero).unwrap_or(&units[smallest]);
    format!("{}{name}", value / factor)
}

impl Value for Duration {
    const EXPECTS: &'static str = "a whole number with a unit (`ms`, `s`, `m`, `h`), such as `250ms` or `3s`";

    fn parse(text: &str) -> Option<Self> {
        let nanos = parse_with_unit(text, &DURATIONS)?;
        let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
        Some(Self::new(seconds, (nanos % 1_000_000_000) as u32))
    }

    fn show(&self) -> String {
        show_with_unit(self.as_nanos(), &DURATIONS)
    }
}

impl Value for Bytes {
    const EXPECTS: &'static str = "a whole number with a unit (`B`, `KiB`, `MiB`, `GiB`), such as `1MiB`";

    fn parse(text: &str) -> Option<Self> {
        u64::try_from(parse_with_unit(text, &SIZES)?).ok().map(Self)
    }

    fn show(&self) -> String {
        show_with_unit(u128::from(self.0), &SIZES)
    }
}

macro_rules! as_std_does {
    ($($type:ty: $expects:literal;)+) => {
        $(impl Value for $type {
            const EXPECTS: &'static str = $expects;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn show(&self) -> String {
                self.to_string()
            }
        })+
    };
}

as_std_does! {
    u16: "a whole number up to 65535, such as `256`";
    u32: "a whole number, such as `1024`";
    bool: "`true` or `false`";
    SocketAddr: "an address and a port, such as `127.0.0.1:8080` or `[::]:8080`";
}

impl Value for Option<SocketAddr> {
    const EXPECTS: &'static str = "an address and a port, such as `127.0.0.1:9901`, or `off`";

    fn parse(text: &str) -> Option<Self> {
        if text == "off" { Some(None) } else { SocketAddr::parse(text).map(Some) }
    }

    fn show(&self) -> String {
        self.map_or_else(|| "off".to_owned(), |address| address.to_string())
    }
}

impl Value for Option<PathBuf> {
    const EXPECTS: &'static str = "the path of a file, or `off`";

    fn parse(text: &str) -> Option<Self> {
        match text {
            "" => None,
            "off" => Some(None),
            path => Some(Some(path.into())),
        }
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(|| "off".to_owned(), |path| path.display().to_string())
    }
}

impl Value for Option<Duration> {
    const EXPECTS: &'static str =
        "a whole number with a unit (`ms`, `s`, `m`, `h`), such as `250ms` or `3s`, or `off`";

    fn parse(text: &str) -> Option<Self> {
        if text == "off" { Some(None) } else { Duration::parse(text).map(Some) }
    }

    fn show(&self) -> String {
        self.map_or_else(|| "off".to_owned(), |duration| duration.show())
    }
}

impl Value for String {
    const EXPECTS: &'static str = "some text";

    fn parse(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| text.to_owned())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

impl Value for HeaderName {
    const EXPECTS: &'static str = "the name of a header, such as `x-request-timeout-ms`";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Value for OnDrain {
    const EXPECTS: &'static str = "`fail`, `404`, or a time with a unit, such as `10s`";

    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "fail" => Self::Fail,
            "404" => Self::NotFound,
            time => Self::KeepReady(Duration::parse(time)?),
        })
    }

    fn show(&self) -> String {
        match self {
            Self::NotFound => "404".to_owned(),
            Self::KeepReady(time) => time.show(),
            _ => "fail".to_owned(),
        }
    }
}

/// Choices, and the words for them.
macro_rules! words {
    ($($type:ty: $expects:literal { $($text:literal = $variant:ident),+ })+) => {
        $(impl Value for $type {
            const EXPECTS: &'static str = $expects;

            fn parse(text: &str) -> Option<Self> {
                match text {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }

            fn show(&self) -> String {
                let words = [$((Self::$variant, $text)),+];
                // What has no word cannot have come from a source either.
                let word = words.iter().find(|(choice, _)| choice == self);
                word.map_or_else(|| format!("{self:?}"), |(_, word)| (*word).to_owned())
            }
        })+
    };
}

// Those of the leaves.
words! {
    HandOver: "`auto`, `systemd`, `pass` or `close`" {
        "auto" = Auto, "systemd" = Systemd, "pass" = Pass, "close" = Close
    }
    Malformed: "`ignore` or `reject`" { "ignore" = Ignore, "reject" = Reject }
    Mode: "`enforce`, `dry-run` or `off`" { "enforce" = Enforce, "dry-run" = DryRun, "off" = Off }
    Access: "`info`, `debug` or `off`" { "info" = Info, "debug" = Debug, "off" = Off }
    TrustInbound: "`link`, `trust` or `ignore`" { "link" = Link, "trust" = Trust, "ignore" = Ignore }
}

macro_rules! choice {
    ($(#[$meta:meta])* $name:ident, $expects:literal { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        words! { $name: $expects { $($text = $variant),+ } }
    };
}

choice! {
    /// Where a service runs.
    Profile, "`dev` or `prod`" {
        /// On a developer's machine: readable logs, and a shutdown that does not wait for a load balancer.
        Dev = "dev",
        /// Among others, behind a load balancer.
        Prod = "prod",
    }
}

choice! {
    /// What to do with the request id that a client sent.
    Inbound, "`accept-if-valid` or `regenerate`" {
        /// Keep it if it is well-formed: right behind a gateway of one's own.
        AcceptIfValid = "accept-if-valid",
        /// Always make a new one: right at the edge.
        Regenerate = "regenerate",
    }
}

choice! {
    /// What to do with the time that a caller says it will wait.
    Inherit, "`shorten`, `trust` or `off`" {
        /// It counts where it is shorter than the service's own.
        Shorten = "shorten",
        /// It counts, also where it is longer: behind callers of one's own alone.
        Trust = "trust",
        /// It is not looked at.
        Off = "off",
    }
}

choice! {
    /// The form of the log.
    Logs, "`pretty`, `json` or `off`" {
        /// For a person at a terminal.
        Pretty = "pretty",
        /// A JSON object a line.
        Json = "json",
        /// None: the service sets up a subscriber of its own.
        Off = "off",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_shown_as_it_is_written() {
        for text in ["3s", "250ms", "5m", "1h", "0s", "1500us"] {
            assert_eq!(Duration::parse(text).expect(text).show(), text);
        }
        for text in ["1MiB", "0B", "3KiB", "1025B"] {
            assert_eq!(Bytes::parse(text).expect(text).show(), text);
        }
        for text in ["fail", "404", "10s"] {
            assert_eq!(OnDrain::parse(text).expect(text).show(), text);
        }
        assert_eq!(Option::<SocketAddr>::parse("off"), Some(None));
    }

    #[test]
    fn numbers_without_a_unit_and_units_that_do_not_exist_are_refused() {
        for text in
            ["", "3", "s", "3parsecs", "-3s", "+3s", "3 s", "3.5s", "99999999999999999999999999999999999999s"]
        {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
        for text in ["1MB", "1", "MiB", "99999999999GiB"] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
    }
}
