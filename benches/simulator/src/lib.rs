//! A plant in virtual time: clients, the gate of `macadam-load-shed` and what stands behind it.
//!
//! The laws are the real ones; the gate is a model of the real one, and the rest is made up of seeded random numbers.
//! Whatever is simulated is the same in every run, and an hour of overload takes seconds.

mod arrivals;
mod backend;
mod capacity;
mod clients;
mod gate;
mod law;
mod plant;
mod random;
mod record;
pub mod table;
mod time;
mod trial;
mod work;

pub use self::{
    arrivals::Phase,
    backend::{Backend, Change},
    capacity::Capacity,
    clients::Clients,
    law::Law,
    plant::{Plant, Script},
    random::Random,
    record::{Bin, Record, Sum},
    trial::{Dip, Drift, Overload, Relapse, Slowdown, Stand},
    work::Work,
};
