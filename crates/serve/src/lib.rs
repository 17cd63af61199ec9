//! An accept loop for HTTP/1.1 and h2c with clocks, limits and a drain that does not cut.
