//! Nothing is built. Cargo wants a build script beside `links`, which is there for its own sake.

fn main() {}
