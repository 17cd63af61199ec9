//! The torture example as a process of its own, driven over sockets and signals.

mod chain;
mod overload;
mod process;
mod routes;
mod settings;
mod shutdown;
