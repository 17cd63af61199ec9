//! Health checks on a schedule, and livez, readyz and startupz that answer from a snapshot.
