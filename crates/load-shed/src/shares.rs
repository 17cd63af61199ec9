//! What each tenant has of the gate: slots that it holds, places in the queue, and slots that it had lately.
//!
//! A tenant is looked up by its name when it asks and when it is done. In between, those of its requests that wait know
//! it by the key of its share, since each slot that is given is compared among all who wait.

use std::collections::HashMap;

use slab::Slab;

#[derive(Default)]
pub(crate) struct Shares {
    keys: HashMap<u64, usize>,
    shares: Slab<Share>,
    /// How many tenants have 1, how many have 2, and so on up to who has most.
    sizes: Vec<u32>,
    /// How many slots were given, ever.
    given: u64,
}

struct Share {
    tenant: u64,
    held: u32,
    waiting: u32,
    had: Had,
}

/// Slots, of which one counts the less the more were given since, to anybody: a time that goes by as fast as there is
/// work, and costs no clock.
#[derive(Clone, Copy, Default)]
struct Had {
    slots: f64,
    /// After how many were given.
    at: u64,
}

impl Had {
    fn as_of(self, given: u64) -> f64 {
        self.slots * FORGETTING.powf((given - self.at) as f64)
    }
}

impl Share {
    fn size(&self) -> u32 {
        self.held + self.waiting
    }
}

impl Shares {
    /// Nobody has anything who is told apart.
    pub(crate) fn is_empty(&self) -> bool {
        self.shares.is_empty()
    }

    /// How many tenants have something.
    pub(crate) fn tenants(&self) -> usize {
        self.shares.len()
    }

    /// What the tenant has that has most.
    pub(crate) fn most(&self) -> u32 {
        self.sizes.len() as u32
    }

    /// What a tenant has, by its name.
    pub(crate) fn size_of(&self, tenant: u64) -> u32 {
        self.keys.get(&tenant).map_or(0, |key| self.size(*key))
    }

    /// What a tenant has, by the key of its share.
    pub(crate) fn size(&self, key: usize) -> u32 {
        self.shares[key].size()
    }

    /// How many slots a tenant has.
    pub(crate) fn held(&self, key: usize) -> u32 {
        self.shares[key].held
    }

    /// Whether a tenant, of which this is the key if it has anything, has had less than its part lately: less than three
    /// quarters of what each would have if all that are here had the same. How many it has just now says little of a
    /// tenant with two on the average, who has five now and then.
    pub(crate) fn is_modest(&self, key: Option<usize>) -> bool {
        let Some(key) = key else { return true };
        let all = (1.0 - FORGETTING.powf(self.given as f64)) / (1.0 - FORGETTING);
        self.shares[key].had.as_of(self.given) < LITTLE * all / self.shares.len() as f64
    }

    /// The key of a tenant's share, if it has anything.
    pub(crate) fn key_of(&self, tenant: u64) -> Option<usize> {
        self.keys.get(&tenant).copied()
    }

    /// Says that a tenant has one slot more.
    pub(crate) fn hold(&mut self, tenant: u64) {
        let key = self.key(tenant);
        self.given += 1;
        let at = self.given;
        self.change(key, |share| {
            share.held += 1;
            share.had = Had { slots: share.had.as_of(at) + 1.0, at };
        });
    }

    /// Says that a tenant has one slot less.
    pub(crate) fn let_go(&mut self, tenant: u64) {
        if let Some(key) = self.keys.get(&tenant) {
            self.change(*key, |share| share.held -= 1);
        }
    }

    /// Says that one more of a tenant's requests waits. The key is good for as long as one does.
    pub(crate) fn wait(&mut self, tenant: u64) -> usize {
        let key = self.key(tenant);
        self.change(key, |share| share.waiting += 1);
        key
    }

    /// Says that one less waits, of whose share this is the key.
    pub(crate) fn leave(&mut self, key: usize) {
        self.change(key, |share| share.waiting -= 1);
    }

    fn key(&mut self, tenant: u64) -> usize {
        let shares = &mut self.shares;
        *self
            .keys
            .entry(tenant)
            .or_insert_with(|| shares.insert(Share { tenant, held: 0, waiting: 0, had: Had::default() }))
    }

    fn change(&mut self, key: usize, change: impl FnOnce(&mut Share)) {
        let share = &mut self.shares[key];
        let before = share.size();
        change(share);
        let (tenant, after) = (share.tenant, share.size());
        self.count(before, after);
        // Who has nothing is forgotten: there are no more entries than requests.
        if after == 0 {
            self.shares.remove(key);
            self.keys.remove(&tenant);
        }
    }

    fn count(&mut self, before: u32, after: u32) {
        if before > 0 {
            self.sizes[before as usize - 1] -= 1;
        }
        if after > 0 {
            self.sizes.resize(self.sizes.len().max(after as usize), 0);
            self.sizes[after as usize - 1] += 1;
        }
        while self.sizes.last() == Some(&0) {
            self.sizes.pop();
        }
    }
}

/// The last thousand slots count, more or less: a second of a service with some hundred requests a second.
const FORGETTING: f64 = 1.0 - 1.0 / 1000.0;
const LITTLE: f64 = 0.75;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    /// Gives slots to tenants in turn, each of which is over at once but for the first of each.
    fn give(shares: &mut Shares, turns: &[u64], times: u32) {
        for tenant in turns {
            shares.hold(*tenant);
        }
        for tenant in (0..times).flat_map(|_| turns) {
            shares.hold(*tenant);
            shares.let_go(*tenant);
        }
    }

    fn is_modest(shares: &Shares, tenant: u64) -> bool {
        shares.is_modest(shares.key_of(tenant))
    }

    #[test]
    fn who_has_had_half_of_an_equal_part_is_modest_and_stays_so_with_many_at_once() {
        let mut shares = Shares::default();
        give(&mut shares, &[1, 1, 1, 1, 1, 2], 500);
        for _ in 0..8 {
            shares.hold(2);
        }
        assert!(is_modest(&shares, 2) && is_modest(&shares, 3), "a third of its part, and nothing yet");
        assert!(!is_modest(&shares, 1));
    }

    #[test]
    fn nobody_is_modest_who_has_what_the_others_have_or_is_alone() {
        let mut shares = Shares::default();
        give(&mut shares, &[1], 10);
        assert!(!is_modest(&shares, 1));
        give(&mut shares, &[1, 2, 3], 1000);
        assert!([1, 2, 3].iter().all(|tenant| !is_modest(&shares, *tenant)));
    }

    #[test]
    fn what_a_tenant_had_is_forgotten_as_slots_are_given() {
        let mut shares = Shares::default();
        give(&mut shares, &[1, 2], 500);
        let mut left = 0;
        while !is_modest(&shares, 2) {
            give(&mut shares, &[1], 10);
            left += 1;
        }
        assert!((10..100).contains(&left), "{left}");
    }

    proptest! {
        #[test]
        fn the_most_is_that_of_who_has_most_and_nothing_is_remembered_of_who_has_nothing(
            changes in vec((0..6u64, any::<bool>(), any::<bool>()), 0..200),
        ) {
            // Of each tenant, the slots and the keys of those who wait.
            let (mut shares, mut model) = (Shares::default(), BTreeMap::<u64, (u32, Vec<usize>)>::new());
            for (tenant, more, slot) in changes {
                let (held, waiting) = model.entry(tenant).or_default();
                match (more, slot) {
                    (true, true) => {
                        shares.hold(tenant);
                        *held += 1;
                    }
                    (true, false) => waiting.push(shares.wait(tenant)),
                    (false, true) if *held > 0 => {
                        shares.let_go(tenant);
                        *held -= 1;
                    }
                    (false, _) => waiting.pop().into_iter().for_each(|key| shares.leave(key)),
                }
                let size = |(held, waiting): &(u32, Vec<usize>)| held + waiting.len() as u32;
                prop_assert_eq!(shares.most(), model.values().map(size).max().unwrap_or(0));
                prop_assert_eq!(shares.tenants(), model.values().filter(|share| size(share) > 0).count());
                for (tenant, share) in &model {
                    prop_assert_eq!(shares.size_of(*tenant), size(share));
                    prop_assert!(share.1.iter().all(|key| shares.held(*key) == share.0));
                }
            }
        }
    }
}
