//! What a conversation needs now and then: members that wait to be removed (L10), fresh leaves (M3), revoked devices (A5).

use quicprochat_identity::UnverifiedIdentity;
use quicprochat_wire::{
    AccountId, DeviceId, ErrorCode, Timestamp,
    mutant::{Mutant, is_on},
    time::Duration,
};

use super::{
    commit::{self, Plan},
    session::Session,
    write,
};
use crate::{
    engine::Cx,
    error::EngineError,
    fetch::Fetch,
    store::{Conversation, ConversationState},
};

/// How long each member in line leaves a removal to those before it.
const TURN: Duration = Duration::from_secs(20);
/// Spread within a turn.
const TURN_SPREAD_MS: u64 = 5_000;
/// Within which time a new leaf is updated if nothing is written (M3).
const FRESH_LEAF_SPREAD_MS: u64 = 20 * 3600 * 1000;
/// No new leaf is older than this before it is updated, once this device is there.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Stages and sends what is due. The cursor is at the head and nothing else is to be written.
pub(super) fn drive(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
    fetch: &mut Fetch,
) -> Result<(), EngineError> {
    if session.own_commits.lasts(cx).is_some()
        || conversation.state != ConversationState::Active
        || cx.tx.conversations().pending_commit(&conversation.channel)?.is_some()
    {
        return Ok(());
    }
    let Some(plan) = due(cx, conversation)? else { return Ok(()) };
    if plan.rolls(conversation) && session.book.complete(cx, conversation, fetch)? != Some(0) {
        // The next keys are sealed to everybody who stays.
        return Ok(());
    }
    match commit::stage(cx, conversation, &plan)? {
        Ok(_) => write::drive(cx, session, conversation),
        Err(error) => {
            tracing::warn!(%error, "a due commit is not possible");
            session.own_commits.refused(cx, ErrorCode::Internal.into());
            Ok(())
        }
    }
}

fn due(cx: &mut Cx<'_>, conversation: &Conversation) -> Result<Option<Plan>, EngineError> {
    let own = cx.own()?;
    let (account, device) = (own.row.account, own.row.device);
    let revoked: Vec<u32> = revoked_leaves(cx, conversation, account)?;
    if !revoked.is_empty() && !is_on(Mutant::KeepRevokedDevice) {
        return Ok(Some(Plan { remove: revoked, ..Plan::default() }));
    }
    if let Some(at) = removal_due(conversation, device).filter(|_| !is_on(Mutant::KeepLeaver)) {
        if at <= cx.now {
            return Ok(Some(Plan::default()));
        }
        cx.wake(at);
    }
    if conversation.fresh_leaf {
        let spread = Duration::from_millis(spread(device, FRESH_LEAF_SPREAD_MS));
        let at = conversation.since.after(spread).min(conversation.leaf_updated.after(DAY));
        if at <= cx.now {
            return Ok(Some(Plan::update()));
        }
        cx.wake(at);
    }
    Ok(None)
}

/// Leaves of own devices that were revoked: those of open jobs, and, since an invitation from before a revocation may be accepted
/// after its job was struck off, those that the own record calls removed; and dead ones (M2), whose devices were removed so long
/// ago that it does not name them any more.
fn revoked_leaves(cx: &Cx<'_>, conversation: &Conversation, account: AccountId) -> Result<Vec<u32>, EngineError> {
    let own = cx.own()?;
    let siblings: Vec<_> = conversation
        .members
        .iter()
        .filter(|member| member.account == account && member.device != own.row.device)
        .collect();
    if siblings.is_empty() {
        return Ok(Vec::new());
    }
    let jobs = cx.tx.upkeep().revocation_jobs()?;
    let record = UnverifiedIdentity::parse(&own.row.identity).map_err(|_| EngineError::OwnState)?;
    let record = record.claimed();
    let revoked = |device: &DeviceId| jobs.iter().any(|job| job.device == *device) || record.removed().contains(device);
    let mut leaves = Vec::new();
    for member in siblings {
        let named = cx.tx.records().record_by_hash(&conversation.channel, &member.identity_hash)?;
        let listed = record.devices().iter().any(|entry| entry.device == member.device);
        if is_dead(named.map(|named| named.serial), record.serial(), listed) || revoked(&member.device) {
            leaves.push(member.leaf);
        }
    }
    Ok(leaves)
}

/// Whether a leaf is of a device that the account does not have any more: the own record does not list it, and is newer than the
/// part that the leaf names. One that names a part this device has not heard of may be of a device that was enrolled since.
fn is_dead(named: Option<u64>, own: u64, listed: bool) -> bool {
    !listed && named.is_some_and(|named| named < own)
}

/// When this device is to remove those who left: member i of those that stay, by leaf, waits i turns.
fn removal_due(conversation: &Conversation, device: DeviceId) -> Option<Timestamp> {
    let leaving = |account: &AccountId| conversation.leavers.iter().any(|leaver| leaver.account == *account);
    let since = conversation
        .leavers
        .iter()
        .filter(|leaver| conversation.members.iter().any(|member| member.account == leaver.account))
        .map(|leaver| leaver.since)
        .min()?;
    let rank = conversation
        .members
        .iter()
        .filter(|member| !leaving(&member.account))
        .position(|member| member.device == device)?;
    let rank = u32::try_from(rank).unwrap_or(u32::MAX);
    let jitter = if rank == 0 { 0 } else { spread(device, TURN_SPREAD_MS) };
    Some(since.after(TURN.saturating_mul(rank) + Duration::from_millis(jitter)))
}

/// A share of `range` that differs between devices and stays the same for one.
pub(crate) fn spread(device: DeviceId, range: u64) -> u64 {
    let number = device.as_bytes().iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    number % range.max(1)
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::Digest;

    use super::*;
    use crate::{
        channels::session::tests::conversation,
        engine::bed::Bed,
        store::{AnnouncedRecord, Leaver, MemberDevice, RevocationJob},
        testing::own,
    };

    fn member(leaf: u32, account: u8, device: u8) -> MemberDevice {
        let (account, device) = (AccountId::new([account; 32]), DeviceId::new([device; 16]));
        MemberDevice { leaf, account, device, identity_hash: Digest::new([0; 32]) }
    }

    #[test]
    fn only_a_leaf_that_a_newer_own_record_left_out_is_dead() {
        assert!(is_dead(Some(3), 4, false));
        assert!(!is_dead(Some(3), 4, true), "still a device");
        assert!(!is_dead(Some(4), 4, false) && !is_dead(Some(5), 4, false), "enrolled since, perhaps");
        assert!(!is_dead(None, 4, false), "nothing is known");
    }

    #[test]
    fn leaves_of_own_devices_that_are_gone_are_removed_and_no_others() {
        // The record is the account's fifth, names the devices 1 and 2, and calls device 6 removed.
        let (mut bed, own) = (Bed::new(), own(5, 2, vec![DeviceId::new([6; 16])]));
        let account = own.row.account;
        let mut conversation = conversation();
        let hash = |serial: u8| Digest::new([serial; 32]);
        let own_leaf = |leaf: u32, device: u8, serial: u8| MemberDevice {
            leaf,
            account,
            device: DeviceId::new([device; 16]),
            identity_hash: hash(serial),
        };
        conversation.members = vec![
            own_leaf(0, 1, 5),
            own_leaf(1, 2, 3),
            own_leaf(2, 3, 3), // dead: in the third record, not in the fifth, and not among those it calls removed
            own_leaf(3, 4, 6), // of a record that this device has not heard of
            own_leaf(4, 5, 9), // of one that nobody announced
            own_leaf(5, 6, 9), // called removed
            own_leaf(6, 7, 9), // of an open job
            member(7, 9, 3),   // somebody else's
        ]
        .into();
        bed.at(0, |cx| {
            cx.own = Some(own);
            for serial in [3_u8, 5, 6] {
                let (channel, part) = (conversation.channel, Vec::new());
                let record = AnnouncedRecord { channel, account, serial: serial.into(), hash: hash(serial), part };
                cx.tx.records().put_record(&record).expect("stores");
            }
            let job = RevocationJob { device: DeviceId::new([7; 16]), since: Timestamp(0) };
            cx.tx.upkeep().put_revocation_job(&job).expect("stores");
            assert_eq!(revoked_leaves(cx, &conversation, account).expect("reads"), [2, 5, 6]);
        });
    }

    #[test]
    fn members_that_stay_take_turns_by_leaf() {
        let mut conversation = conversation();
        conversation.members = vec![member(0, 1, 1), member(2, 2, 2), member(3, 3, 3), member(4, 4, 4)].into();
        let due = |conversation: &Conversation, device: u8| removal_due(conversation, DeviceId::new([device; 16]));
        assert_eq!(due(&conversation, 1), None, "nobody has left");
        let left = |account: u8, since: u64| Leaver { account: AccountId::new([account; 32]), since: Timestamp(since) };
        conversation.leavers = vec![left(1, 1_000)].into();
        assert_eq!(due(&conversation, 1), None, "who leaves does not remove");
        assert_eq!(due(&conversation, 2), Some(Timestamp(1_000)), "the first of those that stay, at once");
        let third = due(&conversation, 3).expect("in line").0;
        assert!((21_000..26_000).contains(&third), "{third}");
        let fourth = due(&conversation, 4).expect("in line").0;
        assert!((41_000..46_000).contains(&fourth), "{fourth}");
        conversation.leavers = vec![left(9, 1_000)].into();
        assert_eq!(due(&conversation, 2), None, "the leaver is no member any more");
    }
}
