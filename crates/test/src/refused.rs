//! The one error that scripted things fail with.

use std::{error::Error, fmt};

/// How a scripted service or body fails. Found at the other side of a layer, it has passed through unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("refused, as the script says")
    }
}

impl Error for Refused {}
