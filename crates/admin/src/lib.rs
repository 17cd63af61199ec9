//! The admin listener: probes and status on a thread and a runtime of their own.
