//! How many, in words.

use std::fmt;

/// So many of these, of which the name of one is told.
pub(crate) struct Count<N>(pub(crate) N, pub(crate) &'static str);

impl<N: fmt::Display + PartialEq + From<u8>> fmt::Display for Count<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, one) = self;
        write!(f, "{count} {one}{}", if *count == N::from(1) { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_none_and_more_are_plural() {
        assert_eq!([0, 1, 2].map(|n| Count(n, "stream").to_string()), ["0 streams", "1 stream", "2 streams"]);
    }
}
