//! Somebody's text as it is told: not too long of it, and no secret.

mod secrets;

use std::{
    cell::Cell,
    error::Error,
    fmt::{self, Write},
    iter::successors,
};

pub(crate) use self::secrets::{REDACTED, is_secret, redact};

/// The most bytes of a text that are kept.
pub(crate) const LONGEST: usize = 8 * 1024;
/// What stands at the end of a text that was longer.
pub(crate) const CUT: &str = "…[cut]";
/// The most errors of a chain that are told.
const CAUSES: usize = 8;

/// An error, and what it came from.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let causes = successors(self.0.source(), |error| (*error).source());
        causes.take(CAUSES).try_for_each(|cause| write!(f, ": {cause}"))
    }
}

thread_local! {
    static SCRATCH: Cell<String> = const { Cell::new(String::new()) };
}

/// Gives as much of a value's text as is kept, and whether that is not all.
pub(crate) fn formatted<R>(value: impl fmt::Display, then: impl FnOnce(&str, bool) -> R) -> R {
    // Taken out and put back: a `Debug` that logs gets one of its own.
    let mut text = SCRATCH.try_with(Cell::take).unwrap_or_default();
    text.clear();
    let mut bounded = Bounded { text: &mut text, is_cut: false };
    let _ = write!(bounded, "{value}");
    let is_cut = bounded.is_cut;
    let result = then(&text, is_cut);
    let _ = SCRATCH.try_with(|scratch| scratch.set(text));
    result
}

/// Stops whoever writes more than is kept.
struct Bounded<'a> {
    text: &'a mut String,
    is_cut: bool,
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let room = LONGEST - self.text.len();
        self.text.push_str(&more[..boundary(more, room)]);
        self.is_cut = more.len() > room;
        if self.is_cut { Err(fmt::Error) } else { Ok(()) }
    }
}

/// A text with [`REDACTED`] for each secret in it.
#[cfg(feature = "otel-0_33")]
pub(crate) fn redacted(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    redact(text, &mut |piece| safe.push_str(piece));
    safe
}

/// The end of the last character that ends by then.
pub(crate) fn boundary(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
