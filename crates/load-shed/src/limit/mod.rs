//! How many may run: the pure part of the gate, which reads no clock, takes no lock, and can be simulated.
//!
//! Once a beat the gate is looked at ([`Look`]), a [`Tuner`] makes windows of what it sees, a [`Controller`] says after
//! each of them how many may run, and the tuner says by which [`Rules`] the gate and its queue go on.

mod aimd;
mod backlog;
mod belief;
mod chart;
mod controller;
mod first;
mod fixed;
mod gradient2;
mod knee;
mod look;
mod measure;
mod profile;
mod tuner;
mod vegas;
mod windows;

pub use self::{
    aimd::Aimd,
    controller::{Controller, Window},
    fixed::Fixed,
    gradient2::Gradient2,
    knee::Knee,
    look::{Look, Rules},
    tuner::Tuner,
    vegas::Vegas,
};
