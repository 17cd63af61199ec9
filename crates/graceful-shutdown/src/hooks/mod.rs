//! What else has to be done, in which order, and for how long.

mod agenda;
mod board;
mod hook;
mod order;

pub use self::hook::{Hook, HookEnd, HookReport};
pub(crate) use self::{
    agenda::Agenda,
    board::{Board, LeftHook},
    order::{Begin, Chain, Order},
};
