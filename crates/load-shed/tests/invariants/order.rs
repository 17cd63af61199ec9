//! What matters more against what matters less.

use super::{config, runtime};
use crate::{
    crowd::{Crowd, Event, event},
    stand::limit,
};
use proptest::{collection::vec, prelude::*};

/// Whether a request of this class is let in, to run or to wait, after all that.
async fn is_let_in(slots: u32, places: u16, before: &[Event], class: u16, tenant: u16) -> bool {
    let mut crowd = Crowd::at(limit(slots), places);
    for event in before {
        crowd.on(event.clone()).await;
    }
    crowd.on(Event::Comes(class, tenant)).await;
    crowd.has_the_last()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_matters_more_gets_in_wherever_what_matters_less_does(
        slots in 1..4u32,
        places in 0..4u16,
        before in vec(event(), 1..40),
        tenant in 0..4u16,
    ) {
        let is_let_in = |class| runtime().block_on(is_let_in(slots, places, &before, class, tenant));
        let let_in: Vec<bool> = (0..4).map(is_let_in).collect();
        prop_assert!(let_in.is_sorted_by(|more, less| more >= less), "{let_in:?}, from the highest class down");
    }
}
