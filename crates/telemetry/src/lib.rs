//! One span a request, from its arrival to the last frame of its body.
