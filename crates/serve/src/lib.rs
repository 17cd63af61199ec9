//! An accept loop for HTTP/1.1 and h2c with clocks, limits and a drain that does not cut.

mod accept;
mod alarm;
mod body;
mod clocks;
mod conn;
mod connection;
mod descriptors;
mod handle;
mod house;
mod http1;
mod http2;
mod io;
mod late;
mod listen;
mod pong;
mod reason;
mod server;
mod service;
mod sniff;

pub use self::{
    body::{Body, BodyError, BodyErrorKind},
    descriptors::raise_descriptor_limit,
    handle::Handle,
    listen::Listen,
    reason::CloseReason,
    server::{Served, Server},
};
