//! The torture example as a process of its own, driven over sockets and signals.

mod chain;
mod collector;
mod deadline;
mod endless;
mod hand_over;
mod lame_duck;
mod logs;
mod overload;
mod process;
mod routes;
mod settings;
mod shutdown;
mod stall;
mod streams;
mod systemd;
