//! How the page writes figures.

use std::fmt;

use askama::{Result, Values};

/// A number, with as many digits as a person reads.
pub(super) fn number(value: &f64, _: &dyn Values) -> Result<String> {
    Ok(match value.abs() {
        whole if whole.fract() == 0.0 && whole < 1e15 => format!("{value}"),
        small if small < 0.1 => format!("{value:.4}"),
        small if small < 10.0 => format!("{value:.2}"),
        small if small < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    })
}

/// Milliseconds, as a time in the unit that fits.
pub(super) fn time(millis: &f64, _: &dyn Values) -> Result<String> {
    Ok(match *millis {
        m if m < 1.0 => format!("{:.0} µs", m * 1e3),
        m if m < 10.0 => format!("{m:.1} ms"),
        m if m < 1e3 => format!("{m:.0} ms"),
        m if m < 60e3 => format!("{:.1} s", m / 1e3),
        m => age_of((m / 1e3) as u64),
    })
}

/// Whole milliseconds, as an age.
pub(super) fn age(millis: &u64, _: &dyn Values) -> Result<String> {
    Ok(match *millis {
        m if m < 1_000 => format!("{m} ms"),
        m => age_of(m / 1_000),
    })
}

/// Seconds, as an age.
pub(super) fn uptime(seconds: &f64, _: &dyn Values) -> Result<String> {
    Ok(age_of(*seconds as u64))
}

/// Bytes, in the unit that fits.
pub(super) fn bytes(bytes: &u64, _: &dyn Values) -> Result<String> {
    let bytes = *bytes as f64;
    let (unit, name) = match bytes {
        b if b < 1024.0 * 1024.0 => (1024.0, "KiB"),
        b if b < 1024.0 * 1024.0 * 1024.0 => (1024.0 * 1024.0, "MiB"),
        _ => (1024.0 * 1024.0 * 1024.0, "GiB"),
    };
    Ok(format!("{:.1} {name}", bytes / unit))
}

/// What is there, or a dash.
pub(super) fn or_dash<T: fmt::Display>(value: &Option<T>, _: &dyn Values) -> Result<String> {
    Ok(value.as_ref().map_or_else(|| "–".to_owned(), T::to_string))
}

fn age_of(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_written_as_people_read_them() {
        let none = askama::NO_VALUES;
        assert_eq!(
            [0.0, 3.0, 0.012, 1.234, 56.78, 1234.56].map(|value| number(&value, none).unwrap()),
            ["0", "3", "0.0120", "1.23", "56.8", "1235"]
        );
        assert_eq!(
            [0.05, 1.25, 20.0, 1_500.0, 61_000.0].map(|millis| time(&millis, none).unwrap()),
            ["50 µs", "1.2 ms", "20 ms", "1.5 s", "1 min 1 s"]
        );
        assert_eq!(
            [999, 1_999, 3_723_000, 200_000_000].map(|millis| age(&millis, none).unwrap()),
            ["999 ms", "1 s", "1 h 2 min", "2 d 7 h"]
        );
        assert_eq!(
            [1_536, 3 << 20, 5 << 30].map(|size| bytes(&size, none).unwrap()),
            ["1.5 KiB", "3.0 MiB", "5.0 GiB"]
        );
    }
}
