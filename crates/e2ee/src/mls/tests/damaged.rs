//! Stored values that do not fit together.

use openmls::prelude::LeafNodeIndex;
use openmls_traits::{OpenMlsProvider as _, storage::StorageProvider as _};

use crate::{
    E2eeError,
    mls::{Group, StoreFault, Suite, group::group_id},
    world::{Account, CHANNEL},
};

#[test]
fn a_group_whose_own_leaf_is_not_in_its_tree_is_damaged() {
    let mut alice = Account::new("alice", 1).device(0);
    alice.create(Suite::Classical);
    for (leaf, intact) in [(0, true), (1, false), (0xdede, false), (u32::MAX, false)] {
        let loaded = alice.with(|provider, _| {
            let stored = provider.storage().write_own_leaf_index(&group_id(&CHANNEL), &LeafNodeIndex::new(leaf));
            stored.expect("written");
            Group::load(provider, CHANNEL).map(|group| group.is_some())
        });
        assert_eq!(loaded, if intact { Ok(true) } else { Err(E2eeError::Store(StoreFault::Damaged)) }, "{leaf}");
    }
}
