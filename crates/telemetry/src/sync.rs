//! The atomics that this crate counts with: the real ones, or, as in core, the model checker's.

#[cfg(not(macadam_loom))]
pub(crate) use std::sync::atomic;

#[cfg(macadam_loom)]
pub(crate) use loom::sync::atomic;
