//! The text that Prometheus reads: OpenMetrics, and the form that there was before.

use std::{
    fmt::{Display, Write},
    time::UNIX_EPOCH,
};

use macadam_core::Metric;

use super::{Point, exemplar::Exemplar, histogram::BOUNDS};

/// In which form the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0. It alone has exemplars.
    OpenMetrics,
    /// The form that Prometheus had before, which people and older tools read.
    Prometheus,
}

/// A text in the making.
pub(super) struct Text {
    text: String,
    format: Format,
    /// The bounds of a histogram's buckets, as text.
    bounds: Vec<String>,
}

/// The labels of a series between their braces: made once for all of its lines.
#[derive(Default)]
pub(super) struct Pairs(String);

impl Format {
    /// OpenMetrics for a scraper whose `Accept` names it, as that of Prometheus does.
    pub fn accepted(accept: Option<&str>) -> Self {
        match accept {
            Some(accept) if accept.contains("application/openmetrics-text") => Self::OpenMetrics,
            _ => Self::Prometheus,
        }
    }

    /// The media type of the text.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

// A `String` takes all that is written to it, so nothing is made of what `write!` says.
impl Text {
    pub(super) fn new(format: Format) -> Self {
        let bounds = BOUNDS.iter().map(|bound| format!("{bound:?}")).chain(["+Inf".to_owned()]);
        Self { text: String::new(), format, bounds: bounds.collect() }
    }

    /// What stands before the figures of a metric. The older form calls a counter by its whole name, and knows no units.
    pub(super) fn describe(&mut self, metric: &Metric) {
        let name = match self.format {
            Format::OpenMetrics => metric.stem(),
            Format::Prometheus => metric.name,
        };
        let _ = write!(self.text, "# HELP {name} ");
        escape(metric.help, &mut self.text);
        let _ = writeln!(self.text, "\n# TYPE {name} {}", metric.kind.as_str());
        if let (Format::OpenMetrics, Some(unit)) = (self.format, metric.unit()) {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
    }

    /// A number of things.
    pub(super) fn whole(&mut self, name: &str, pairs: &Pairs, value: u64) {
        self.begin(name, "", pairs);
        self.end(value);
    }

    pub(super) fn figure(&mut self, name: &str, pairs: &Pairs, value: f64) {
        self.begin(name, "", pairs);
        self.end(format_args!("{value:?}"));
    }

    pub(super) fn histogram(&mut self, name: &str, pairs: &Pairs, point: &Point<'_>) {
        self.begin(name, "_sum", pairs);
        self.end(format_args!("{:?}", point.sum.seconds));
        self.begin(name, "_count", pairs);
        self.end(point.sum.count());
        let mut below = 0;
        for (bucket, count) in point.sum.counts.iter().enumerate() {
            below += count;
            self.text.extend([name, "_bucket{le=\"", &self.bounds[bucket], "\""]);
            if !pairs.0.is_empty() {
                self.text.extend([",", &pairs.0]);
            }
            self.text.push_str("} ");
            digits(below, &mut self.text);
            if let (Format::OpenMetrics, Some(exemplar)) = (self.format, point.exemplar(bucket)) {
                self.exemplar(&exemplar);
            }
            self.text.push('\n');
        }
    }

    fn exemplar(&mut self, Exemplar { trace_id, span_id, took, at }: &Exemplar) {
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let _ = write!(
            self.text,
            " # {{trace_id=\"{trace_id}\",span_id=\"{span_id}\"}} {:?} {}.{:03}",
            took.as_secs_f64(),
            at.as_secs(),
            at.subsec_millis(),
        );
    }

    fn begin(&mut self, name: &str, suffix: &str, pairs: &Pairs) {
        self.text.extend([name, suffix]);
        if !pairs.0.is_empty() {
            self.text.extend(["{", &pairs.0, "}"]);
        }
    }

    fn end(&mut self, value: impl Display) {
        let _ = writeln!(self.text, " {value}");
    }

    pub(super) fn finish(mut self) -> String {
        if self.format == Format::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

impl Pairs {
    pub(super) fn push(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push(',');
        }
        self.0.extend([name, "=\""]);
        escape(value, &mut self.0);
        self.0.push('"');
    }
}

impl<'a, V: AsRef<str>> FromIterator<(&'a str, V)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (&'a str, V)>>(pairs: I) -> Self {
        let mut text = Self::default();
        pairs.into_iter().for_each(|(name, value)| text.push(name, value.as_ref()));
        text
    }
}

fn escape(text: &str, to: &mut String) {
    for part in text.split_inclusive(['\\', '"', '\n']) {
        let (plain, escaped) = match part.as_bytes().last() {
            Some(b'\\') => (&part[..part.len() - 1], r"\\"),
            Some(b'"') => (&part[..part.len() - 1], r#"\""#),
            Some(b'\n') => (&part[..part.len() - 1], r"\n"),
            _ => (part, ""),
        };
        to.extend([plain, escaped]);
    }
}

/// As `Display` writes them, which takes several times as long: most of the text are counts of buckets.
fn digits(mut number: u64, to: &mut String) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while number > 0 || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    to.extend(digits[at..].iter().map(|digit| char::from(*digit)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_written_as_the_standard_library_writes_them() {
        for number in [0, 1, 9, 10, 99, 100, 1_234_567_890, u64::MAX] {
            let mut text = String::new();
            digits(number, &mut text);
            assert_eq!(text, number.to_string());
        }
    }

    #[test]
    fn what_would_end_a_value_or_a_line_is_escaped() {
        let pairs: Pairs = [("path", "C:\\a\"b\nc"), ("plain", "/{id}"), ("none", "")].into_iter().collect();
        assert_eq!(pairs.0, r#"path="C:\\a\"b\nc",plain="/{id}",none="""#);
    }
}
