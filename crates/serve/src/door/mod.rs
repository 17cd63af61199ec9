//! Where connections come in, how many may, and who goes when there are too many.

mod accept;
mod addresses;
mod descriptors;
mod entrance;
mod listen;
mod rooms;

#[cfg(feature = "axum")]
pub(crate) use self::{accept::Acceptor, entrance::TO_SHAKE_HANDS};
pub(crate) use self::{
    addresses::{Addresses, Seat},
    descriptors::connections_in,
    entrance::{Arrival, Entrance, Limits},
    listen::Companion,
    rooms::{Room, Rooms},
};
pub use self::{descriptors::raise_descriptor_limit, listen::Listen};
