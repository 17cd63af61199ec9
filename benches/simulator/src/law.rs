//! The laws that compete.

use std::{fmt, time::Duration};

use macadam_load_shed::limit::{Aimd, Controller, Fixed, Gradient2, Knee, Tuner, Vegas};

/// A law of the limit, as the layer would use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Ours, from its usual start.
    Knee,
    /// Ours, from another start.
    KneeFrom(u32),
    /// A limit that stays.
    Fixed(u32),
    /// Additive increase, multiplicative decrease.
    Aimd,
    /// TCP Vegas, as Netflix has it.
    Vegas,
    /// Netflix's Gradient2.
    Gradient2,
    /// No gate.
    Open,
}

impl Law {
    /// Those of the table.
    pub const ALL: [Self; 7] =
        [Self::Knee, Self::Aimd, Self::Vegas, Self::Gradient2, Self::Fixed(64), Self::Fixed(512), Self::Open];

    /// A tuner with this law and the layer's defaults; none for [`Open`](Self::Open).
    ///
    /// # Panics
    ///
    /// If the limit of a fixed law, or the start of ours, is not from 1 to 1024.
    #[must_use]
    pub fn tuner(self) -> Option<Tuner> {
        const SENSIBLE: &str = "the starts are within the ceiling";
        Some(match self {
            Self::Knee => tuner(Knee::new(START, CEILING).expect(SENSIBLE)),
            Self::KneeFrom(start) => tuner(Knee::new(start, CEILING).expect(SENSIBLE)),
            Self::Fixed(limit) => tuner(Fixed::new(limit).expect(SENSIBLE)),
            Self::Aimd => tuner(Aimd::new(PEERS_START, CEILING).expect(SENSIBLE)),
            Self::Vegas => tuner(Vegas::new(PEERS_START, CEILING).expect(SENSIBLE)),
            Self::Gradient2 => tuner(Gradient2::new(PEERS_START, CEILING).expect(SENSIBLE)),
            Self::Open => return None,
        })
    }
}

impl fmt::Display for Law {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Knee => f.write_str("knee"),
            Self::KneeFrom(start) => write!(f, "knee from {start}"),
            Self::Fixed(limit) => write!(f, "fixed {limit}"),
            Self::Aimd => f.write_str("AIMD"),
            Self::Vegas => f.write_str("Vegas"),
            Self::Gradient2 => f.write_str("Gradient2"),
            Self::Open => f.write_str("no gate"),
        }
    }
}

fn tuner(law: impl Controller) -> Tuner {
    Tuner::new(law, PLACES, MAX_WAIT)
}

const START: u32 = 64;
const CEILING: u32 = 1024;
/// Where the peers start by default, in their own libraries.
const PEERS_START: u32 = 20;
const PLACES: u16 = 512;
const MAX_WAIT: Duration = Duration::from_millis(250);
