//! What a conversation needs now and then: members that wait to be removed (L10), fresh leaves (M3), revoked devices (A5).

use quicprochat_identity::UnverifiedIdentity;
use quicprochat_wire::{
    AccountId, DeviceId, Timestamp,
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
    store::{Conversation, ConversationState},
};

/// How long each member in line leaves a removal to those before it.
const TURN: Duration = Duration::from_secs(20);
/// Spread within a turn.
const TURN_SPREAD_MS: u64 = 5_000;
/// Within which time a new leaf is updated if nothing is written (M3).
const FRESH_LEAF_SPREAD_MS: u64 = 20 * 3600 * 1000;

/// Stages and sends what is due. The cursor is at the head and nothing else is to be written.
pub(super) fn drive(
    cx: &mut Cx<'_>,
    session: &mut Session,
    conversation: &mut Conversation,
) -> Result<(), EngineError> {
    if session.tended
        || conversation.state != ConversationState::Active
        || cx.tx.conversations().pending_commit(&conversation.channel)?.is_some()
    {
        return Ok(());
    }
    let Some(plan) = due(cx, conversation)? else { return Ok(()) };
    match commit::stage(cx, conversation, &plan)? {
        Ok(_) => write::drive(cx, session, conversation),
        Err(error) => {
            tracing::warn!(%error, "a due commit is not possible");
            session.tended = true;
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
        let at = conversation.since.after(Duration::from_millis(spread(device, FRESH_LEAF_SPREAD_MS)));
        if at <= cx.now {
            return Ok(Some(Plan::update()));
        }
        cx.wake(at);
    }
    Ok(None)
}

/// Leaves of own devices that were revoked: those of open jobs, and, since an invitation from before a revocation may be accepted
/// after its job was struck off, those that the own record calls removed.
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
    let revoked =
        |device: &DeviceId| jobs.iter().any(|job| job.device == *device) || record.claimed().removed().contains(device);
    Ok(siblings.iter().filter(|member| revoked(&member.device)).map(|member| member.leaf).collect())
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
fn spread(device: DeviceId, range: u64) -> u64 {
    let number = device.as_bytes().iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    number % range.max(1)
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::Digest;

    use super::*;
    use crate::{
        channels::session::tests::conversation,
        store::{Leaver, MemberDevice},
    };

    fn member(leaf: u32, account: u8, device: u8) -> MemberDevice {
        let (account, device) = (AccountId::new([account; 32]), DeviceId::new([device; 16]));
        MemberDevice { leaf, account, device, identity_hash: Digest::new([0; 32]) }
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
