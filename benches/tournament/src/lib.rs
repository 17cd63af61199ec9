//! A tournament of load shedders, in real time and over the real layers.
//!
//! Every arm stands before a plant of its own and is offered the same arrivals, from one generator, at the same
//! instants: what disturbs the machine disturbs all of them. The arrivals are drawn before the run (an open loop: nobody
//! waits for an answer before sending the next request), and a latency counts from the instant at which the request
//! *should* have been sent, so that a generator that is held up cannot hide a wait (no coordinated omission). A run in
//! which the generator was late itself is void and is run again.
//!
//! | module | the one idea |
//! |---|---|
//! | [`schedule`] | when requests are due: Poisson arrivals, from a seed |
//! | [`deck`] | how long each takes: the same sequence for every arm |
//! | [`clockwork`] | a finer timer than tokio's, for the plants |
//! | [`plant`] | what stands behind a layer and has only so much room |
//! | [`arm`] | the contestants |
//! | [`race`] | arms side by side under one schedule |
//! | [`account`] | what became of each request, and every figure that follows from that |
//! | [`capacity`] | what a plant can do, asked in a closed loop through no layer |
//! | [`scenario`] | what is offered, what is measured, and what is demanded |
//! | [`http`] | the same over HTTP, to a process with one worker, for handlers that burn CPU |
//! | [`tournament`] | the whole of it: capacities, tuning, every scenario with every seed |
//! | [`report`] | the tables |
//! | [`figure`] | the figures |

pub mod account;
pub mod arm;
pub mod capacity;
pub mod clockwork;
pub mod deck;
pub mod figure;
pub mod http;
pub mod plant;
pub mod race;
pub mod report;
pub mod scenario;
pub mod schedule;
pub mod tournament;
