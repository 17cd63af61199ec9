//! A shutdown that loses nothing and always ends: phases, drain, hooks, report.
