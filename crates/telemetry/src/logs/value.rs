//! The value of a field, as JSON.

use std::{
    error::Error,
    fmt::{Debug, Write},
};

use tracing::field::{Field, Visit};

use crate::text::{CUT, Chain, LONGEST, REDACTED, boundary, formatted, is_secret, redact};

/// What a field may be.
pub(super) enum Value<'a> {
    Text(&'a str),
    Debug(&'a dyn Debug),
    Error(&'a (dyn Error + 'static)),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
}

/// Calls a function with each field.
pub(super) struct Each<F>(pub(super) F);

impl<F: FnMut(&'static str, Value<'_>)> Visit for Each<F> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        (self.0)(field.name(), Value::Debug(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        (self.0)(field.name(), Value::Text(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        (self.0)(field.name(), Value::Error(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        (self.0)(field.name(), Value::Unsigned(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        (self.0)(field.name(), Value::Signed(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        (self.0)(field.name(), Value::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        (self.0)(field.name(), Value::Bool(value));
    }
}

impl Value<'_> {
    /// Writes the value of the field of this name, or that it is a secret.
    pub(super) fn write(self, name: &str, out: &mut String) {
        if is_secret(name) {
            return quoted(REDACTED, out);
        }
        // Writing to a string does not fail.
        let _ = match self {
            Self::Text(text) => {
                let kept = &text[..boundary(text, LONGEST)];
                safe(kept, kept.len() < text.len(), out);
                Ok(())
            }
            Self::Debug(value) => {
                formatted(format_args!("{value:?}"), |text, is_cut| safe(text, is_cut, out));
                Ok(())
            }
            Self::Error(error) => {
                formatted(Chain(error), |text, is_cut| safe(text, is_cut, out));
                Ok(())
            }
            Self::Unsigned(number) => write!(out, "{number}"),
            Self::Signed(number) => write!(out, "{number}"),
            Self::Float(number) if number.is_finite() => write!(out, "{number:?}"),
            // JSON has none of these.
            Self::Float(number) => write!(out, "\"{number}\""),
            Self::Bool(is) => write!(out, "{is}"),
        };
    }
}

/// A text in quotes, without what is secret in it.
fn safe(text: &str, is_cut: bool, out: &mut String) {
    out.push('"');
    redact(text, &mut |piece| escaped(piece, out));
    if is_cut {
        out.push_str(CUT);
    }
    out.push('"');
}

/// A text in quotes, as it is.
pub(super) fn quoted(text: &str, out: &mut String) {
    out.push('"');
    escaped(text, out);
    out.push('"');
}

pub(super) fn escaped(text: &str, out: &mut String) {
    let mut told = 0;
    for (at, c) in text.char_indices().filter(|(_, c)| is_escaped(*c)) {
        out.push_str(&text[told..at]);
        told = at + c.len_utf8();
        let _ = match c {
            '"' => out.write_str("\\\""),
            '\\' => out.write_str("\\\\"),
            '\n' => out.write_str("\\n"),
            '\r' => out.write_str("\\r"),
            '\t' => out.write_str("\\t"),
            // None of those that are escaped is beyond four digits.
            _ => write!(out, "\\u{:04x}", u32::from(c)),
        };
    }
    out.push_str(&text[told..]);
}

/// JSON has to have the first row; a terminal, a browser or an editor would act on the others.
pub(super) fn is_escaped(c: char) -> bool {
    matches!(c, '"' | '\\' | '\0'..='\x1f')
        || matches!(c, '\x7f'..='\u{9f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use proptest::prelude::*;
    use serde_json::Value as Json;

    use super::*;

    fn written(value: Value<'_>) -> Json {
        let mut out = String::new();
        value.write("field", &mut out);
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    #[test]
    fn numbers_that_json_does_not_have_are_texts() {
        assert_eq!(written(Value::Float(f64::NAN)), "NaN");
        assert_eq!(written(Value::Float(f64::NEG_INFINITY)), "-inf");
        for number in [0.0, -0.25, 1e300, f64::MIN_POSITIVE] {
            assert_eq!(written(Value::Float(number)), number);
        }
        assert_eq!(written(Value::Unsigned(u64::MAX)), u64::MAX);
        assert_eq!(written(Value::Signed(i64::MIN)), i64::MIN);
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped() {
        let mut out = String::new();
        Value::Text("\x1b[2J\u{9b}\u{202e}\u{2028}\u{7f}\0").write("field", &mut out);
        assert_eq!(out, r#""\u001b[2J\u009b\u202e\u2028\u007f\u0000""#);
    }

    #[test]
    fn a_text_is_cut_between_two_characters_and_says_so() {
        let exact = "x".repeat(LONGEST);
        assert_eq!(written(Value::Text(&exact)), exact.as_str());
        assert_eq!(written(Value::Text(&format!("{exact}y"))), format!("{exact}{CUT}"));
        let odd = format!("{}é", "x".repeat(LONGEST - 1));
        assert_eq!(written(Value::Text(&odd)), format!("{}{CUT}", "x".repeat(LONGEST - 1)));
        assert_eq!(
            written(Value::Debug(&format_args!("{odd}"))),
            format!("{}{CUT}", "x".repeat(LONGEST - 1))
        );
    }

    #[test]
    fn a_debug_that_has_no_end_is_stopped() {
        struct Endless;
        impl Debug for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("again ")?;
                }
            }
        }
        assert!(written(Value::Debug(&Endless)).as_str().is_some_and(|text| text.ends_with(CUT)));
    }

    #[test]
    fn an_error_is_told_with_what_it_came_from() {
        let cause = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer");
        let error = std::io::Error::other(cause);
        assert_eq!(written(Value::Error(&error)), "no answer");

        #[derive(Debug)]
        struct Outer(std::io::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no order")
            }
        }
        impl Error for Outer {
            fn source(&self) -> Option<&(dyn Error + 'static)> {
                Some(&self.0)
            }
        }
        assert_eq!(written(Value::Error(&Outer(std::io::Error::other("no answer")))), "no order: no answer");
    }

    proptest! {
        #[test]
        fn any_text_is_json_and_is_read_as_it_was(text in "[^=:]*") {
            prop_assert_eq!(written(Value::Text(&text)), text.as_str());
        }

        #[test]
        fn any_text_at_all_is_json(text in ".*") {
            prop_assert!(written(Value::Text(&text)).is_string());
            prop_assert!(written(Value::Debug(&text)).is_string());
        }
    }
}
