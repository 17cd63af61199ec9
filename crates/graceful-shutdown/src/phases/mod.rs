//! Which phase comes when, and whether all of them fit into the budget.

mod fit;
mod lame_duck;
mod narrator;
mod plan;

pub use self::lame_duck::LameDuckEnd;
pub(crate) use self::{
    fit::{EXIT, RESERVED, Times},
    lame_duck::{LameDuck, Seen},
    narrator::Narrator,
    plan::{Plan, Progress, Step},
};
