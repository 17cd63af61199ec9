//! What holds at every instant, whatever happens in whatever order.
//!
//! | | invariant | held by |
//! |---|---|---|
//! | 1 | who is admitted has room at that instant | `crowd.rs` · `gate/limit.rs`, many threads · `loom.rs` |
//! | 2 | who came was served, refused, has left or is here; in the end nobody is | `crowd.rs` · `bodies.rs` · `loom.rs` |
//! | 3 | a slot is given back once, however its request ends | `ends.rs` · `contract.rs` |
//! | 4 | while somebody waits no slot is idle, and no time has to pass for that | `crowd.rs` · `loom.rs` |
//! | 5 | what matters more gets in wherever what matters less does | `order.rs` · `src/door.rs` |
//! | 6 | the limit is from one to the ceiling, whatever a law is told | the simulator's `invariants.rs` |
//! | 7 | a law finds the same limit at any pace | the simulator's `pace.rs` |
//! | 8 | one window lowers the limit once, however many ended badly in it | the simulator's `invariants.rs`, `pace.rs` |
//! | 9 | an idle gate does not raise its limit | the simulator's `invariants.rs` |
//! | 10 | a slot goes to who has the fewest of the class that matters most, and of those to who came first | `crowd.rs` |
//! | 11 | the exempt are not refused, up to 64 of them | `crowd.rs` |
//! | 12 | `Retry-After` is in its range | `crowd.rs` · `gate/rejection.rs` |
//! | 13 | a dry run admits everybody, and decides as if it did not | `dry_run.rs` |
//! | 14 | no more wait than there are places | `crowd.rs` |
//! | 15 | a lower limit binds at once, under full load and with waiters | `crowd.rs` · `gate/limit.rs` · `loom.rs` |
//! | 16 | the same seed gives the same run | the simulator's `golden.rs` |

#![expect(clippy::unwrap_used, reason = "the helpers of a test are a test too")]

mod bodies;
mod crowd;
mod dry_run;
mod ends;
mod order;
#[path = "../gate/stand.rs"]
#[expect(dead_code, reason = "the stand has more than is needed here")]
mod stand;

use macadam_core::Gauges;
use proptest::test_runner::Config;
use stand::Stand;
use tokio::runtime::{Builder, Runtime};

/// How many requests were refused, or would have been.
fn refused(stand: &Stand) -> f64 {
    let mut sum = 0.0;
    stand.gate.read(&mut |reading| {
        if reading.name == "macadam_load_shed_refused_total" {
            sum += reading.value;
        }
    });
    sum
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

fn config() -> Config {
    Config { cases: 128, failure_persistence: None, ..Config::default() }
}
