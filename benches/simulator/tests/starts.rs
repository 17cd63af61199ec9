//! Wherever it starts, the limit ends at the knee.

use macadam_simulator::{Law, table};

#[test]
fn from_every_start_the_capacity_is_reached_within_five_seconds() {
    let stand = table::pool(16, 0.02);
    for start in [1, 2, 5, 20, 64, 1024] {
        let run = stand.overload(3.0, Law::KneeFrom(start), 7);
        assert!(run.goodput >= 0.95 && run.late <= 0.1, "from {start}: {run:?}");
    }
}
