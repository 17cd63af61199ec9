//! An error's text, made fit for a log line and a probe's answer.

use std::{
    borrow::Cow,
    fmt::{self, Display, Write},
    time::Duration,
};

/// What is kept of an error's text: its first 256 bytes, with a space for each control character and `?` for what is
/// not ASCII. An error may quote a peer.
pub(crate) fn of(error: &dyn Display) -> Cow<'static, str> {
    let mut kept = Kept(String::new());
    // It fails when the limit is reached, which spares the rest of a long text.
    let _ = write!(kept, "{error}");
    Cow::Owned(kept.0)
}

/// A state with its age: `held for 1.5 s`.
pub(crate) fn aged(state: &str, age: Duration) -> Cow<'static, str> {
    Cow::Owned(format!("{state} {:.1} s", age.as_secs_f64()))
}

struct Kept(String);

impl Write for Kept {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() == LIMIT {
                return Err(fmt::Error);
            }
            self.0.push(printable(character));
        }
        Ok(())
    }
}

/// The character itself where it is printable ASCII.
pub(crate) fn printable(character: char) -> char {
    match character {
        ' '..='~' => character,
        _ if character.is_control() => ' ',
        _ => '?',
    }
}

const LIMIT: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_printable_ascii_of_256_bytes_at_most() {
        assert_eq!(of(&"refused"), "refused");
        assert_eq!(of(&"a\r\n[+]b ok\u{1b}[31m é"), "a  [+]b ok [31m ?");
        assert_eq!(of(&"x".repeat(256)).len(), 256);
        assert_eq!(of(&"é".repeat(100_000)).len(), 256);
    }
}
