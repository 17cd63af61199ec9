//! Deadlines for every request: inherited, per route, to the last byte.
