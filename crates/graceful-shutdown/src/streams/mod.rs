//! What goes on until it is told to end: whose turn that is, and how many may have theirs at a time.

mod pace;
mod turn;
mod turns;
mod upgraded;

pub(crate) use self::turns::{Place, Turns};
pub use self::{
    turn::{EndsAtTurn, Turn, UntilDraining},
    upgraded::Upgraded,
};
