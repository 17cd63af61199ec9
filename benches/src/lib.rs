//! Benches of macadam beside what people stack today. All of it is in `benches/`; there is nothing to import.
