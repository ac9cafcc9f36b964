use quicprochat_e2ee::vault::MAX_STATE_BYTES;
use quicprochat_wire::{ChannelId, Digest};

use super::{edit::Edit, *};
use crate::{
    effect::Effect,
    engine::bed::Bed,
    store::{Contact, ConversationSettings, Relation},
};

const NOW: u64 = 1_750_000_000_000;
const TEA: ChannelId = ChannelId::new([1; 32]);
const BOB: AccountId = AccountId::new([2; 32]);

fn row(bed: &mut Bed) -> AccountState {
    bed.at(NOW, |cx| cx.tx.state().account_state().expect("reads").expect("there"))
}

fn set(bed: &mut Bed, at: u64, key: Key, value: Option<&[u8]>, pace: Pace) -> bool {
    let edit = Edit::default().set(key, value.map(<[u8]>::to_vec));
    bed.at(at, |cx| edit::make(cx, edit, pace).expect("makes").expect("fits"))
}

#[test]
fn an_edit_is_in_the_rows_at_once_and_due_within_its_span() {
    for (pace, from, to) in
        [(Pace::Setting, 100, 1_000), (Pace::Reading, 2_000, 8_000), (Pace::Consequence, 5_000, 60_000)]
    {
        let mut bed = Bed::new();
        assert!(set(&mut bed, NOW, Key::Pinned(TEA), Some(&[]), pace));
        let stored = row(&mut bed);
        let due = stored.due.expect("to be written").0;
        assert!((NOW + from..=NOW + to).contains(&due), "{pace:?}: {}", due - NOW);
        assert_eq!(stored.by_hand, pace != Pace::Consequence);
        assert_eq!(stored.unsent.len(), 1);
        assert!(!set(&mut bed, NOW, Key::Pinned(TEA), Some(&[]), pace), "nothing to change");
        let settings = bed.at(NOW, |cx| cx.tx.state().conversation_settings(&TEA).expect("reads"));
        assert_eq!(settings, Some(ConversationSettings { pinned: true, ..ConversationSettings::new(TEA) }));
    }
}

#[test]
fn a_change_while_a_write_is_due_has_a_moment_of_its_own() {
    let mut bed = Bed::new();
    set(&mut bed, NOW, Key::Pinned(TEA), Some(&[]), Pace::Setting);
    let first = row(&mut bed).due.expect("due");
    set(&mut bed, NOW + 1, Key::Archived(TEA), Some(&[]), Pace::Consequence);
    assert_eq!(row(&mut bed).due, Some(first), "one write for both");
    set(&mut bed, first.0, Key::Archived(TEA), None, Pace::Setting);
    assert!(row(&mut bed).due.is_some_and(|due| due > first), "the write of then may be on its way");
    assert_eq!(row(&mut bed).unsent.len(), 2, "each key once");
}

#[test]
fn a_state_without_room_refuses_the_edit_and_stays_as_it_is() {
    let mut bed = Bed::new();
    let large = vec![1; 500_000];
    assert!(set(&mut bed, NOW, Key::Draft(TEA), Some(&large), Pace::Reading));
    let before = row(&mut bed);
    let edit = || {
        (0..4).fold(Edit::default(), |edit, n| edit.set(Key::Draft(ChannelId::new([n; 32])), Some(vec![n; 300_000])))
    };
    let refused = bed.at(NOW, |cx| edit::make(cx, edit(), Pace::Reading).expect("makes"));
    assert!(matches!(refused, Err(StateError::TooLarge { .. })), "{refused:?}");
    assert_eq!(row(&mut bed), before);
}

fn contact(relation: Relation) -> Contact {
    Contact {
        account: BOB,
        name: "bob".to_owned(),
        host: String::new(),
        identity: Vec::new(),
        serial: 1,
        relation,
        verified: false,
        changed: None,
        confirmed: false,
        pin: Vec::new(),
        superseded: false,
        first_seen: Timestamp(1),
    }
}

#[test]
fn a_backup_does_not_let_in_whom_a_person_blocked_since() {
    let mut bed = Bed::new();
    set(&mut bed, NOW, Key::Relation(BOB), Some(&[2]), Pace::Setting);
    bed.at(NOW, |cx| {
        cx.tx.contacts().put_contact(&contact(Relation::Contact)).expect("stores");
        edit::note_all_contacts(cx).expect("notes");
        let bob = cx.tx.contacts().contact(&BOB).expect("reads").expect("there");
        assert_eq!(bob.relation, Relation::Blocked);
        let known = cx.tx.state().known_contact(&BOB).expect("reads").expect("there");
        assert_eq!(known.relation, Some(Relation::Blocked));
    });
}

#[test]
fn contacts_of_before_the_document_are_taken_into_it() {
    let mut bed = Bed::new();
    bed.at(NOW, |cx| {
        cx.tx.contacts().put_contact(&contact(Relation::Contact)).expect("stores");
        let seen = Contact { account: AccountId::new([3; 32]), ..contact(Relation::Seen) };
        cx.tx.contacts().put_contact(&seen).expect("stores");
        edit::note_all_contacts(cx).expect("notes");
        assert_eq!(cx.tx.state().known_contact(&seen.account).expect("reads"), None, "merely seen");
    });
    let document = Document::decode(&row(&mut bed).content, 1).expect("reads");
    assert_eq!(document.get(&Key::Relation(BOB).text()).as_deref(), Some([1].as_slice()));
    assert_eq!(document.entries().len(), 1);
}

#[test]
fn values_that_are_none_of_this_version_are_kept_and_not_shown() {
    let mut bed = Bed::new();
    set(&mut bed, NOW, Key::Order(TEA), Some(&[1, 2]), Pace::Setting);
    set(&mut bed, NOW, Key::Title(TEA), Some(&[0xFF]), Pace::Setting);
    set(&mut bed, NOW, Key::Contact(BOB), Some(&[9; 3]), Pace::Setting);
    set(&mut bed, NOW, Key::Verified(BOB), Some(&[9; 3]), Pace::Setting);
    bed.at(NOW, |cx| {
        let settings = cx.tx.state().conversation_settings(&TEA).expect("reads").expect("there");
        assert_eq!(settings, ConversationSettings::new(TEA));
        let known = cx.tx.state().known_contact(&BOB).expect("reads").expect("there");
        assert_eq!((known.key, known.verified), (None::<Digest>, None));
    });
    let document = Document::decode(&row(&mut bed).content, 1).expect("reads");
    assert_eq!(document.entries().len(), 4);
}

#[test]
fn a_change_while_a_write_is_on_its_way_is_written_as_well() {
    let mut bed = Bed::new();
    set(&mut bed, NOW, Key::Pinned(TEA), Some(&[]), Pace::Setting);
    let written = row(&mut bed);
    let on_its_way =
        |row: &AccountState| Writing { content: digest(&row.content), clock: 1, versions: Vec::new(), rebased: None };
    // Who catches up writes before the moment; until the answer comes, another command marks something as read.
    let mark = Edit::default().mark(TEA, 7);
    assert_eq!(bed.at(NOW + 50, |cx| edit::make(cx, mark, Pace::Reading).expect("makes")), Ok(true));
    assert_eq!(row(&mut bed).due, written.due, "one moment for both");
    let mut state = State::default();
    bed.at(NOW + 60, |cx| state.stored(cx, on_its_way(&written)).expect("stores"));
    let left = row(&mut bed);
    assert_eq!((left.due, left.by_hand), (written.due, true), "the marker is still to be written");
    bed.at(NOW + 70, |cx| state.stored(cx, on_its_way(&left)).expect("stores"));
    let left = row(&mut bed);
    assert_eq!((left.due, left.by_hand), (None, false));
}

fn of(n: u8) -> ChannelId {
    ChannelId::new([n; 32])
}

/// Takes in what another device wrote, as a fetch does.
fn take(bed: &mut Bed, theirs: &Document) {
    bed.at(NOW, |cx| {
        let (mut row, mut document) = edit::load(cx.tx, cx.entropy).expect("reads");
        take_in(cx, &mut row, &mut document, theirs).expect("merges");
        row.content = document.encode();
        cx.tx.state().put_account_state(&row).expect("stores");
    });
}

#[test]
fn of_two_states_that_are_too_large_together_the_largest_own_drafts_go_and_a_person_is_told() {
    let mut bed = Bed::new();
    set(&mut bed, NOW, Key::Title(TEA), Some(b"tea"), Pace::Setting);
    let draft = |n: u8| vec![n; 16_000 + usize::from(n)];
    let drafts = (1..=50).fold(Edit::default(), |edit, n| edit.set(Key::Draft(of(n)), Some(draft(n))));
    assert_eq!(bed.at(NOW, |cx| edit::make(cx, drafts, Pace::Reading).expect("makes")), Ok(true));
    let mut theirs = Document::new(77);
    for n in 101..=150 {
        theirs.set(&Key::Draft(of(n)).text(), Some(&draft(n)));
    }
    theirs.mark(TEA, 9);
    take(&mut bed, &theirs);
    let stored = row(&mut bed);
    assert!(stored.content.len() <= MAX_STATE_BYTES, "{} bytes", stored.content.len());
    let document = Document::decode(&stored.content, stored.client).expect("any device reads it");
    let there = |n: u8| document.get(&Key::Draft(of(n)).text()).is_some_and(|there| there == draft(n));
    assert!((101..=150).all(there), "what the vault has stays");
    assert_eq!(document.get(&Key::Title(TEA).text()).as_deref(), Some(b"tea".as_slice()), "and what is no draft");
    assert_eq!(document.marker(&TEA), 9);
    let kept = (1..=50).filter(|n| there(*n)).count();
    assert!((1..50).contains(&kept), "{kept} are kept");
    assert!((1..=50).take(kept).all(there), "the smallest ones");
    let told = Effect::Notify(Event::DraftsDropped { drafts: 50 - kept });
    assert!(bed.effects.contains(&told), "{:?}", bed.effects);
    assert_eq!(stored.unsent.len(), 1 + kept);
    // The other device takes it, and both have the same.
    theirs.merge(&document, &BTreeSet::new()).expect("merges");
    assert!(theirs.is_as_far_as(&document));
}

#[test]
fn a_state_that_is_too_large_all_the_same_is_read_back_and_can_be_made_smaller() {
    let mut bed = Bed::new();
    let title = |n: u8| Some(vec![n; 16_000]);
    let titles = (1..=50).fold(Edit::default(), |edit, n| edit.set(Key::Title(of(n)), title(n)));
    assert_eq!(bed.at(NOW, |cx| edit::make(cx, titles, Pace::Setting).expect("makes")), Ok(true));
    let mut theirs = Document::new(77);
    for n in 101..=150 {
        theirs.set(&Key::Title(of(n)).text(), title(n).as_deref());
    }
    take(&mut bed, &theirs);
    let stored = row(&mut bed);
    assert!(stored.content.len() > MAX_STATE_BYTES, "{} bytes", stored.content.len());
    take(&mut bed, &theirs);
    assert_eq!(row(&mut bed).unsent.len(), 50, "nothing of it is given up");
    let more = Edit::default().set(Key::Title(TEA), title(1).map(|title| [title.clone(), title].concat()));
    let refused = bed.at(NOW, |cx| edit::make(cx, more, Pace::Setting).expect("makes"));
    assert!(matches!(refused, Err(StateError::TooLarge { .. })), "{refused:?}");
    let size = row(&mut bed).content.len();
    assert!(set(&mut bed, NOW, Key::Title(of(1)), None, Pace::Setting));
    assert!(row(&mut bed).content.len() < size);
}
