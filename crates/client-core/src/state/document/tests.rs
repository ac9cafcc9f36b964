use proptest::{collection::vec, prelude::*};

use super::*;
use crate::testing::SeededEntropy;

fn channel(n: u8) -> ChannelId {
    ChannelId::new([n; 32])
}

fn merged(one: &Document, other: &Document) -> Document {
    let mut merged = Document::decode(&one.encode(), 99).expect("its own bytes");
    merged.merge(other, &BTreeSet::new()).expect("merges");
    merged
}

/// What a person sees of it.
fn view(document: &Document) -> (BTreeMap<String, Vec<u8>>, BTreeMap<ChannelId, u64>) {
    (document.entries(), document.markers.clone())
}

/// One thing that a device does while it is offline.
#[derive(Clone, Debug)]
enum Edit {
    Set(u8, u8),
    Remove(u8),
    Mark(u8, u64),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        4 => (0u8..4, any::<u8>()).prop_map(|(key, value)| Edit::Set(key, value)),
        1 => (0u8..4).prop_map(Edit::Remove),
        2 => (0u8..3, 0u64..9).prop_map(|(of, position)| Edit::Mark(of, position)),
    ]
}

fn apply(document: &mut Document, edit: &Edit) {
    match edit {
        Edit::Set(key, value) => drop(document.set(&format!("k{key}"), Some(&[*value]))),
        Edit::Remove(key) => drop(document.set(&format!("k{key}"), None)),
        Edit::Mark(of, position) => drop(document.mark(channel(*of), *position)),
    }
}

proptest! {
    #[test]
    fn offline_edits_of_three_devices_converge_in_any_order(
        before in vec(edit(), 0..8), edits in vec(vec(edit(), 0..12), 3), order in Just(vec![0usize, 1, 2]).prop_shuffle(),
        again in 0usize..3,
    ) {
        let mut first = Document::new(1);
        before.iter().for_each(|edit| apply(&mut first, edit));
        let mut devices: Vec<_> = (1..=3).map(|client| Document::decode(&first.encode(), client).expect("reads")).collect();
        for (device, edits) in devices.iter_mut().zip(&edits) {
            edits.iter().for_each(|edit| apply(device, edit));
        }
        let in_order = merged(&merged(&devices[0], &devices[1]), &devices[2]);
        let shuffled = merged(&devices[order[0]], &merged(&devices[order[2]], &devices[order[1]]));
        prop_assert_eq!(view(&in_order), view(&shuffled), "commutative and associative");
        let repeated = merged(&shuffled, &devices[again]);
        prop_assert_eq!(view(&repeated), view(&shuffled), "idempotent");
        prop_assert!(repeated.is_as_far_as(&shuffled));
        for device in &devices {
            for (of, position) in device.markers() {
                prop_assert!(shuffled.marker(of) >= *position, "a marker never goes back");
            }
        }
    }

    #[test]
    fn what_is_kept_reads_back(edits in vec(edit(), 0..30)) {
        let mut document = Document::new(7);
        edits.iter().for_each(|edit| apply(&mut document, edit));
        let read = Document::decode(&document.encode(), 7).expect("reads");
        prop_assert_eq!(view(&read), view(&document));
        prop_assert!(read.is_as_far_as(&document));
        prop_assert_eq!(read.own_clock(), document.own_clock());
    }

    #[test]
    fn bytes_from_outside_are_refused_without_a_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = Document::decode(&bytes, 1);
        let _ = guard::check(&bytes);
    }

    #[test]
    fn damaged_documents_are_refused_or_merge_without_a_panic(
        edits in vec(edit(), 1..12), others in vec(edit(), 0..12), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let (mut one, mut two) = (Document::new(1), Document::new(2));
        edits.iter().for_each(|edit| apply(&mut one, edit));
        two.merge(&one, &BTreeSet::new()).expect("merges");
        others.iter().for_each(|edit| apply(&mut two, edit));
        let mut bytes = two.encode();
        for (at, byte) in &changes {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        if let Ok(damaged) = Document::decode(&bytes, 3) {
            let _ = damaged.entries();
            let _ = one.merge(&damaged, &BTreeSet::new());
            one.set("k9", Some(b"goes on"));
            let _ = one.encode();
        }
    }
}

#[test]
fn a_later_write_wins_over_the_one_it_knew_of() {
    let mut one = Document::new(1 << 50);
    one.set("k", Some(b"first"));
    let mut two = Document::decode(&one.encode(), 2).expect("reads");
    two.set("k", Some(b"second"));
    assert_eq!(merged(&one, &two).get("k").as_deref(), Some(b"second".as_slice()));
    assert_eq!(merged(&two, &one).get("k").as_deref(), Some(b"second".as_slice()));
}

#[test]
fn a_rebased_document_is_small_and_takes_over_what_was_not_sent() {
    let mut entropy = SeededEntropy::new(1);
    let mut one = Document::new(1);
    for round in 0..8_000u32 {
        one.set(&format!("k{}", round % 10), Some(&round.to_le_bytes()));
    }
    one.mark(channel(1), 5);
    let before = one.encode().len();
    let mut two = Document::decode(&one.encode(), 2).expect("reads");
    let entries = one.entries();
    assert!(one.rebase_if_worth_it(&mut entropy), "{before} bytes");
    assert!(one.encode().len() < 1_000, "{} of {before} bytes are left", one.encode().len());
    assert_eq!(one.entries(), entries);
    assert!(!one.rebase_if_worth_it(&mut entropy), "once");
    // The other one was away: it changed one key, and knew nothing of this.
    two.set("k3", Some(b"mine"));
    two.mark(channel(1), 7);
    let unsent = BTreeSet::from(["k3".to_owned()]);
    two.merge(&one, &unsent).expect("merges");
    assert_eq!(two.get("k3").as_deref(), Some(b"mine".as_slice()));
    assert_eq!(two.get("k4"), entries.get("k4").cloned());
    assert_eq!(two.marker(&channel(1)), 7);
    assert!(two.encode().len() < 1_100);
    // And the other way round nothing of the past comes back.
    let mut away = Document::new(3);
    away.set("k5", Some(b"of the past"));
    one.merge(&away, &BTreeSet::new()).expect("merges");
    assert_eq!(one.get("k5"), entries.get("k5").cloned());
    one.merge(&two, &BTreeSet::new()).expect("merges");
    assert_eq!(view(&one), view(&two));
}

#[test]
fn counts_that_promise_more_than_there_is_are_refused_before_the_library_sees_them() {
    for update in [
        &[0xFF, 0xFF, 0xFF, 0xFF, 0x0F][..],
        &[1, 0xFF, 0xFF, 0xFF, 0x7F, 1, 0],
        &[0, 0xFF, 0xFF, 0xFF, 0x7F],
        // A client that does not begin at its beginning; an origin that is nowhere; another root; another type; garbage at the end.
        &[1, 1, 1, 1, 0, 1, 0],
        &[1, 1, 1, 0, 0x88, 9, 0, 1, 116, 0, 0],
        &[1, 1, 1, 0, 0x28, 1, 1, b'x', 1, b'k', 1, 116, 0, 0],
        &[1, 1, 1, 0, 0x28, 1, 1, b's', 1, b'k', 1, 119, 0, 0],
        &[1, 1, 1, 0, 0x28, 1, 1, b's', 1, b'k', 1, 116, 0, 0, 0],
    ] {
        assert!(matches!(guard::check(update), Err(StateError::NotOfSchema { .. })), "{update:?}");
    }
    assert_eq!(guard::check(&[1, 1, 1, 0, 0x28, 1, 1, b's', 1, b'k', 1, 116, 0, 0]), Ok(()), "the same, well formed");
    let found = MAX_STATE_BYTES + 1;
    let refused = Document::decode(&vec![1; found], 1).err();
    assert_eq!(refused, Some(StateError::TooLarge { limit: MAX_STATE_BYTES, found }));
}

/// What protocol.md says of 300 conversations and contacts.
#[test]
fn the_state_of_a_heavy_account_fits_two_records() {
    let mut document = Document::new(1 << 50);
    for n in 0..300u16 {
        let mut id = [n as u8; 32];
        id[..2].copy_from_slice(&n.to_le_bytes());
        document.mark(ChannelId::new(id), 1_000);
        document.set(&format!("c{n:043}"), Some(&[1; 50]));
        document.set(&format!("r{n:043}"), Some(&[1]));
        if n % 10 == 0 {
            document.set(&format!("p{n:043}"), Some(&[]));
            document.set(&format!("m{n:043}"), Some(&[0; 8]));
        }
    }
    let bytes = document.encode().len();
    assert!((60_000..90_000).contains(&bytes), "{bytes}");
}
