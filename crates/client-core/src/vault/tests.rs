use quicprochat_wire::{
    CallFailure, ChainHash, ChannelId, Request,
    call::{Done, channel::ChainPoint, vault::VaultRecords},
};

use super::*;
use crate::{
    effect::Effect,
    engine::bed::{Bed, hello},
    lineage,
    store::{Conversation, ConversationKind, ConversationState, RejoinReason, Secret},
    testing::own,
};

const LISTENING: Mode = Mode { sync: false, listen: true };
const NOW: u64 = 1_750_000_000_000;

/// A device on a link, in one conversation, whose list is due at [`NOW`] and taken over long ago.
fn bed() -> Bed {
    let mut bed = Bed::new();
    bed.link_up(ConnectionKind::Account, &hello(NOW));
    bed.at(NOW, |cx| {
        let plan = Plan { due: Some(Timestamp(NOW)), refresh: Timestamp(NOW + 1), version: 0, imported: true };
        plan.store(cx.tx).expect("stores");
        let at = ChainPoint { position: 3, hash: ChainHash::new([8; 32]) };
        let conversation = Conversation {
            channel: ChannelId::new([9; 32]),
            kind: ConversationKind::Group,
            title: "tea".to_owned(),
            peer: None,
            state: ConversationState::NeedsRejoin { reason: RejoinReason::GroupLost },
            suite: 0x4F,
            cursor: at,
            last_commit: at,
            head: 3,
            epoch: 3,
            keys: Secret::new([10; 96]),
            keys_since: 0,
            ahead: None,
            members: Vec::new().into(),
            leavers: Vec::new().into(),
            leaf_updated: Timestamp(NOW),
            fresh_leaf: false,
            since: Timestamp(NOW),
            inviter: None,
            group: ChannelId::new([9; 32]),
            replaces: None,
            rounds: 0,
            spoilt_at: None,
        };
        cx.tx.conversations().put_conversation(&conversation).expect("stores");
    });
    bed
}

/// Drives the part at a moment; returns what it asks the server.
fn drive(bed: &mut Bed, vault: &mut Vault, at: u64, changed: bool) -> Vec<Request> {
    bed.effects.clear();
    bed.at(at, |cx| {
        cx.own = Some(own(1, 1, Vec::new()));
        cx.conversations_changed = changed;
        vault.drive(cx, LISTENING, true).expect("drives");
    });
    asked(bed)
}

fn respond(
    bed: &mut Bed,
    vault: &mut Vault,
    at: u64,
    call: VaultCall,
    result: Result<Response, CallError>,
) -> Vec<Request> {
    bed.effects.clear();
    bed.at(at, |cx| {
        cx.own = Some(own(1, 1, Vec::new()));
        vault.respond(cx, call, result).expect("takes it");
    });
    asked(bed)
}

fn asked(bed: &Bed) -> Vec<Request> {
    let calls = bed.effects.iter().filter_map(|effect| match effect {
        Effect::Call { request, .. } => Some(request.clone()),
        Effect::Connect { .. }
        | Effect::Disconnect { .. }
        | Effect::Subscribe { .. }
        | Effect::Unsubscribe { .. }
        | Effect::Notify(_)
        | Effect::CommandDone { .. } => None,
    });
    calls.collect()
}

fn due(bed: &mut Bed) -> Option<Timestamp> {
    bed.at(NOW, |cx| Plan::load(cx.tx).expect("reads").due)
}

#[test]
fn what_a_channel_was_before_is_taken_over_also_for_rows_that_a_backup_brought() {
    let channel = |number: u8| ChannelId::new([number; 32]);
    let server = own(1, 1, Vec::new()).row.server;
    let listed = {
        let mut bed = Bed::new();
        bed.at(NOW, |cx| {
            for (number, replaces) in [(1, None), (2, Some(1)), (3, Some(2))] {
                let state = match number {
                    3 => ConversationState::Active,
                    _ => ConversationState::Replaced { by: channel(number + 1) },
                };
                let row = Conversation {
                    state,
                    replaces: replaces.map(channel),
                    ..crate::testing::conversation(channel(number))
                };
                cx.tx.conversations().put_conversation(&row).expect("stores");
            }
            rows::merged(cx.tx, &server, &ConversationList::default()).expect("merges")
        })
    };
    for known in [&[][..], &[1], &[2], &[3], &[1, 2, 3]] {
        let mut bed = Bed::new();
        bed.at(NOW, |cx| {
            for number in known {
                let state = if *number == 3 { rows::NEW_DEVICE } else { ConversationState::Left };
                let row = Conversation { state, ..crate::testing::conversation(channel(*number)) };
                cx.tx.conversations().put_conversation(&row).expect("stores");
            }
            adopt_conversations(cx.tx, &server, &listed, cx.now).expect("stores");
            let newest = cx.tx.conversations().conversation(&channel(3)).expect("reads").expect("there");
            assert_eq!(newest.state, rows::NEW_DEVICE, "{known:?}");
            assert_eq!(lineage::named(cx.tx, &newest), Ok(vec![channel(2), channel(1)]), "{known:?}");
        });
    }
}

fn nothing_there() -> Result<Response, CallError> {
    Ok(Response::VaultRecords(VaultRecords { records: Vec::new() }))
}

#[test]
fn what_is_due_is_fetched_merged_and_stored_once() {
    let (mut bed, mut vault) = (bed(), Vault::default());
    assert!(drive(&mut bed, &mut vault, NOW - 1, false).is_empty(), "not before");
    let asked = drive(&mut bed, &mut vault, NOW, false);
    assert!(matches!(asked.as_slice(), [Request::VaultFetch(fetch)] if fetch.ids.len() == 16), "{asked:?}");
    assert!(drive(&mut bed, &mut vault, NOW, false).is_empty(), "one call at a time");
    let stored = respond(&mut bed, &mut vault, NOW, VaultCall::Fetch, nothing_there());
    let [Request::VaultStore(store)] = stored.as_slice() else { panic!("{stored:?}") };
    let key = StateKey::from_bytes(&[6; 32]);
    let listed = auth::conversations(&key, own(1, 1, Vec::new()).row.account, &store.records).expect("opens");
    assert_eq!(listed.iter().map(|(channel, _)| *channel).collect::<Vec<_>>(), [ChannelId::new([9; 32])]);
    respond(&mut bed, &mut vault, NOW, VaultCall::Store, Ok(Response::Done(Done)));
    assert_eq!(due(&mut bed), None);
    assert!(drive(&mut bed, &mut vault, NOW, false).is_empty());
}

#[test]
fn a_change_while_the_list_is_fetched_puts_the_write_off() {
    let (mut bed, mut vault) = (bed(), Vault::default());
    assert_eq!(drive(&mut bed, &mut vault, NOW, false).len(), 1);
    assert!(drive(&mut bed, &mut vault, NOW + 10, true).is_empty());
    let later = due(&mut bed).expect("still to be written");
    assert!((NOW + 5_010..=NOW + 60_010).contains(&later.0), "{later:?}");
    assert!(respond(&mut bed, &mut vault, NOW + 20, VaultCall::Fetch, nothing_there()).is_empty(), "not on its heels");
    assert!(drive(&mut bed, &mut vault, NOW + 20, false).is_empty());
    assert_eq!(drive(&mut bed, &mut vault, later.0, false).len(), 1, "in its own time");
}

#[test]
fn a_change_while_the_list_is_stored_is_written_later() {
    let (mut bed, mut vault) = (bed(), Vault::default());
    drive(&mut bed, &mut vault, NOW, false);
    assert_eq!(respond(&mut bed, &mut vault, NOW, VaultCall::Fetch, nothing_there()).len(), 1);
    drive(&mut bed, &mut vault, NOW + 10, true);
    respond(&mut bed, &mut vault, NOW + 20, VaultCall::Store, Ok(Response::Done(Done)));
    assert!(due(&mut bed).is_some_and(|due| due.0 >= NOW + 5_010));
}

#[test]
fn a_conflict_is_tried_again_after_a_random_pause() {
    let (mut bed, mut vault) = (bed(), Vault::default());
    drive(&mut bed, &mut vault, NOW, false);
    respond(&mut bed, &mut vault, NOW, VaultCall::Fetch, nothing_there());
    let conflict = Err(CallError::Refused(CallFailure::from(ErrorCode::VersionConflict)));
    respond(&mut bed, &mut vault, NOW, VaultCall::Store, conflict);
    let again = due(&mut bed).expect("still to be written");
    assert!((NOW + 1_000..=NOW + 5_000).contains(&again.0), "{again:?}");
    assert_eq!(drive(&mut bed, &mut vault, again.0, false).len(), 1);
}

#[test]
fn a_list_under_another_key_is_told_once_and_left_alone() {
    let (mut bed, mut vault) = (bed(), Vault::default());
    let strange = || {
        let record = VaultRecord { id: 16, version: 1, sealed: vec![1; 100] };
        Ok(Response::VaultRecords(VaultRecords { records: vec![record] }))
    };
    let mut told = Vec::new();
    for round in 0..3 {
        let at = NOW + round * 61_000;
        assert_eq!(drive(&mut bed, &mut vault, at, false).len(), 1, "{round}");
        assert!(respond(&mut bed, &mut vault, at, VaultCall::Fetch, strange()).is_empty(), "nothing is written over");
        told.extend(bed.effects.iter().filter(|effect| matches!(effect, Effect::Notify(Event::Trust(_)))).cloned());
        assert!(drive(&mut bed, &mut vault, at + 59_000, false).is_empty(), "it rests");
    }
    let warning = TrustWarning::OwnRecord { reason: CeremonyError::RecordSealed { record: 16 } };
    assert_eq!(told, [Effect::Notify(Event::Trust(warning))]);
    assert!(due(&mut bed).is_some(), "still to be written");
}

#[test]
fn a_clock_set_back_holds_no_write_up() {
    let (mut bed, mut vault) = (bed(), Vault::default());
    let day = 24 * 3600 * 1000;
    assert!(drive(&mut bed, &mut vault, NOW - 30 * day, false).is_empty());
    let mended = due(&mut bed).expect("to be written");
    assert!((NOW - 30 * day + 5_000..=NOW - 30 * day + 60_000).contains(&mended.0), "{mended:?}");
}
