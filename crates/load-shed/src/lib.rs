//! Load shedding: one gate that refuses early what it could not serve in time.
