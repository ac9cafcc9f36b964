//! Which commits count: the rules of protocol.md section 7 that MLS itself does not know.
//!
//! Every rule is a function of the group's state and the entry, so that all members judge alike (DESIGN L9): no clock, no
//! directory, no setting. [`judge`] works on plain values; `receive` and `commit` take them out of OpenMLS's types.

use openmls::prelude::{
    Credential, CredentialType, Extension, ExtensionType, LeafNode, LeafNodeIndex, Member as MlsMember, MlsGroup,
    Proposal, ProposalOrRefType, StagedCommit,
};
use openmls::treesync::LeafNodeSource;
use quicprochat_identity::{CREDENTIAL_TYPE, LeafCredential};
use quicprochat_wire::{
    DeviceId, DeviceKey,
    limits::{MAX_DEVICES, MAX_GROUP_LEAVES},
};

use super::{Member, PROFILE_EXTENSION, Profile, RecordBook, own};

/// Why an entry does not count. Every member comes to the same verdict.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Invalid {
    /// The bytes are no MLS message, or the plaintext is malformed.
    #[error("it is malformed")]
    Malformed,
    /// It is neither a PrivateMessage nor an external commit.
    #[error("it is neither a private message nor an external commit")]
    NotPrivate,
    /// It belongs to another group.
    #[error("it belongs to another group")]
    OtherGroup,
    /// It is not of the epoch in force at its position.
    #[error("it is of epoch {found}, in force is {expected}")]
    OtherEpoch {
        /// The epoch in force.
        expected: u64,
        /// The epoch named.
        found: u64,
    },
    /// A commit stands in a message's entry, or the other way round.
    #[error("its content is not of the entry's kind")]
    OtherKind,
    /// The authenticated data is not that of the entry.
    #[error("its authenticated data is not the entry's")]
    OtherEntry,
    /// It does not decrypt, or its signature does not verify.
    #[error("it does not decrypt or verify")]
    Undecryptable,
    /// MLS itself forbids the commit.
    #[error("MLS forbids it")]
    Mls,
    /// It names this device as sender, but this device did not send it.
    #[error("it claims to be of this device")]
    NotOurs,
    /// It holds a proposal by reference, or a proposal stands alone.
    #[error("it uses a proposal by reference")]
    ByReference,
    /// It holds a proposal other than Add, Remove or GroupContextExtensions, or an external commit than what M2 says.
    #[error("it holds a forbidden proposal")]
    ForbiddenProposal,
    /// An external commit is of an account that has no leaf in the group (DESIGN M2).
    #[error("it enters for an account that is no member")]
    NoLeaf,
    /// An external commit removes something else than the leaf of the same device.
    #[error("it enters and removes a leaf of another device")]
    OtherLeaf,
    /// An external commit does not include the channel's rejoin key, or another one.
    #[error("it enters without the rejoin key in force")]
    RejoinKey,
    /// A leaf's credential is malformed or of another type.
    #[error("a credential is malformed")]
    Credential,
    /// A leaf's certificate does not verify, or its signature key is not the certified one.
    #[error("a device certificate does not verify")]
    Certificate,
    /// A leaf does not declare what every leaf must.
    #[error("a leaf lacks capabilities")]
    Capabilities,
    /// A KeyPackage has a limited lifetime.
    #[error("a KeyPackage has a limited lifetime")]
    Lifetime,
    /// The committer's new leaf is of another device or key.
    #[error("the committer's new leaf is of another device")]
    OtherDevice,
    /// A device would have two leaves.
    #[error("device {device:?} would be in the group twice")]
    DuplicateDevice {
        /// The device.
        device: DeviceId,
    },
    /// An account would have more than eight leaves.
    #[error("an account would have too many devices")]
    TooManyDevices,
    /// The group would have more than 1,024 leaves.
    #[error("the group would have too many leaves")]
    TooManyLeaves,
    /// A removed device would come back.
    #[error("device {device:?} was removed and cannot come back")]
    RemovedDevice {
        /// The device.
        device: DeviceId,
    },
    /// The list of removed devices is not the old one and what this commit removes.
    #[error("the list of removed devices does not fit")]
    RemovedList,
    /// The group context would hold anything but the profile and the required capabilities, or the profile is malformed.
    #[error("the group context is not allowed")]
    Context,
    /// The kind of the conversation would change.
    #[error("the kind of the conversation cannot change")]
    Kind,
    /// No record comes along for a new identity hash.
    #[error("a record is missing")]
    MissingRecord,
}

/// The group before the commit.
#[derive(Clone, Debug)]
pub(super) struct Roster {
    pub(super) profile: Profile,
    pub(super) members: Vec<Member>,
}

/// A leaf that a commit brings.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct NewLeaf {
    pub(super) credential: LeafCredential,
    pub(super) key: DeviceKey,
    pub(super) capable: bool,
}

/// Who commits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Committer {
    /// The member at this leaf.
    Member(u32),
    /// Whoever the path's leaf names: an external commit, with ExternalInit and the rejoin key as they must be.
    Outside,
}

impl Default for Committer {
    fn default() -> Self {
        Self::Member(0)
    }
}

/// A commit, as far as the rules look at it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Proposed {
    pub(super) committer: Committer,
    /// In the order of the proposals; whether the lifetime is unlimited.
    pub(super) added: Vec<(NewLeaf, bool)>,
    pub(super) removed: Vec<u32>,
    pub(super) profile: Option<Profile>,
    pub(super) path: Option<NewLeaf>,
}

/// What a commit that counts does.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// Whether the committer enters by it.
    pub(super) enters: bool,
    pub(super) committer: Member,
    pub(super) added: Vec<Member>,
    pub(super) removed: Vec<Member>,
    pub(super) profile: Option<Profile>,
}

/// Whether a commit counts.
pub(super) fn judge(roster: &Roster, proposed: &Proposed, records: &dyn RecordBook) -> Result<Verdict, Invalid> {
    let member = |leaf: u32| roster.members.iter().find(|member| member.leaf == leaf).cloned().ok_or(Invalid::Mls);
    let removed = proposed.removed.iter().map(|leaf| member(*leaf)).collect::<Result<Vec<_>, _>>()?;
    let mut after: Vec<Member> =
        roster.members.iter().filter(|member| !proposed.removed.contains(&member.leaf)).cloned().collect();

    let known = |credential: &LeafCredential| {
        let same = |member: &Member| {
            member.credential.account == credential.account
                && member.credential.identity_hash == credential.identity_hash
        };
        roster.members.iter().any(same) || records.holds(&credential.account, &credential.identity_hash)
    };
    let enters = proposed.committer == Committer::Outside;
    if let Some(leaf) = &proposed.path {
        check(leaf.capable, Invalid::Capabilities)?;
        check(known(&leaf.credential), Invalid::MissingRecord)?;
    }
    let committer = match (proposed.committer, &proposed.path) {
        (Committer::Member(place), path) => stays(member(place)?, path.as_ref())?,
        (Committer::Outside, Some(leaf)) => {
            check_entry(roster, &removed, &after, leaf).map(|()| place(&mut after, leaf))?
        }
        (Committer::Outside, None) => return Err(Invalid::Mls),
    };
    for (leaf, unlimited) in &proposed.added {
        check(*unlimited, Invalid::Lifetime)?;
        check(leaf.capable, Invalid::Capabilities)?;
        check(known(&leaf.credential), Invalid::MissingRecord)?;
    }
    let added: Vec<Member> = proposed.added.iter().map(|(leaf, _)| place(&mut after, leaf)).collect();
    check_roster(&after)?;

    let profile = proposed.profile.as_ref().unwrap_or(&roster.profile);
    check(profile.kind == roster.profile.kind, Invalid::Kind)?;
    let mut expected = roster.profile.removed.clone();
    if !enters {
        expected.extend(removed_devices(&removed, &after));
    }
    check(same_set(&profile.removed, &expected), Invalid::RemovedList)?;
    check_removed(profile, &after)?;
    Ok(Verdict { enters, committer, added, removed, profile: proposed.profile.clone() })
}

/// The committer after its commit: the same device with the same key.
fn stays(before: Member, path: Option<&NewLeaf>) -> Result<Member, Invalid> {
    let Some(leaf) = path else { return Ok(before) };
    let same_device = (leaf.credential.account, leaf.credential.device, leaf.key)
        == (before.credential.account, before.credential.device, before.key);
    check(same_device, Invalid::OtherDevice)?;
    Ok(Member { credential: leaf.credential.clone(), ..before })
}

/// Who may enter by external commit (DESIGN M2): a device of an account in the group, in place of no leaf but its own.
fn check_entry(roster: &Roster, removed: &[Member], after: &[Member], leaf: &NewLeaf) -> Result<(), Invalid> {
    let LeafCredential { account, device, .. } = leaf.credential;
    let of_account = |member: &Member| member.credential.account == account;
    check(roster.members.iter().any(of_account), Invalid::NoLeaf)?;
    let own = |member: &Member| of_account(member) && member.credential.device == device;
    check(removed.len() <= 1 && removed.iter().all(own), Invalid::OtherLeaf)?;
    // MLS demands it of every group; the library checks it of added leaves only.
    check(after.iter().all(|member| member.key != leaf.key), Invalid::Mls)
}

/// Puts a new leaf where MLS puts it: removals come first, then each new leaf takes the leftmost free place (RFC 9420, section
/// 12.4.2).
fn place(after: &mut Vec<Member>, leaf: &NewLeaf) -> Member {
    let free = (0..).find(|index| after.iter().all(|member| member.leaf != *index)).unwrap_or(u32::MAX);
    let member = Member { leaf: free, credential: leaf.credential.clone(), key: leaf.key };
    after.push(member.clone());
    member
}

/// The devices among `removed` whose account stays: they go onto the profile's list.
pub(super) fn removed_devices<'a>(removed: &'a [Member], after: &'a [Member]) -> impl Iterator<Item = DeviceId> + 'a {
    let stays = |account| after.iter().any(|member| member.credential.account == account);
    removed.iter().filter(move |member| stays(member.credential.account)).map(|member| member.credential.device)
}

/// What must hold of a group at any time; checked by every commit and by whoever joins.
pub(super) fn check_roster(members: &[Member]) -> Result<(), Invalid> {
    check(members.len() <= MAX_GROUP_LEAVES, Invalid::TooManyLeaves)?;
    for (index, member) in members.iter().enumerate() {
        let LeafCredential { account, device, .. } = member.credential;
        let same_account = || members.iter().filter(|other| other.credential.account == account);
        check(same_account().count() <= MAX_DEVICES, Invalid::TooManyDevices)?;
        let twice = members
            .iter()
            .skip(index + 1)
            .any(|other| (other.credential.account, other.credential.device) == (account, device));
        check(!twice, Invalid::DuplicateDevice { device })?;
    }
    Ok(())
}

/// Every member's identity hash has a record.
pub(super) fn check_records(members: &[Member], records: &dyn RecordBook) -> Result<(), Invalid> {
    let held = |member: &Member| records.holds(&member.credential.account, &member.credential.identity_hash);
    check(members.iter().all(held), Invalid::MissingRecord)
}

/// No removed device is a member.
pub(super) fn check_removed(profile: &Profile, members: &[Member]) -> Result<(), Invalid> {
    let back = members.iter().find(|member| profile.removed.contains(&member.credential.device));
    back.map_or(Ok(()), |member| Err(Invalid::RemovedDevice { device: member.credential.device }))
}

fn same_set(found: &[DeviceId], expected: &[DeviceId]) -> bool {
    found.len() == expected.len() && expected.iter().all(|device| found.contains(device))
}

fn check(holds: bool, otherwise: Invalid) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// A group as the rules see it. Its leaves were checked when they came in.
pub(super) fn roster<'a>(
    members: impl Iterator<Item = MlsMember>,
    extensions: impl Iterator<Item = &'a Extension>,
) -> Result<Roster, Invalid> {
    let members = members.map(|member| known_member(&member)).collect::<Result<_, Invalid>>()?;
    Ok(Roster { profile: context_profile(extensions, None)?, members })
}

/// A member whose certificate was checked when its leaf came in.
pub(super) fn known_member(member: &MlsMember) -> Result<Member, Invalid> {
    let credential = known_credential(&member.credential)?;
    let key = DeviceKey::from_slice(&member.signature_key).ok_or(Invalid::Certificate)?;
    Ok(Member { leaf: member.index.u32(), credential, key })
}

/// How the certificates of leaves that a commit brings are checked.
#[derive(Clone, Copy)]
pub(super) enum Certificates<'a> {
    /// They come from outside: each is one of these records', which are checked with all their certificates, or is checked here.
    By(&'a dyn RecordBook),
    /// Somebody did before.
    Checked,
}

/// The commit as the rules see it.
pub(super) fn proposed(
    group: &MlsGroup,
    committer: Committer,
    staged: &StagedCommit,
    certificates: Certificates<'_>,
) -> Result<Proposed, Invalid> {
    let mut proposed = Proposed { committer, ..Proposed::default() };
    let outside = committer == Committer::Outside;
    for queued in staged.queued_proposals() {
        check(queued.proposal_or_ref_type() == ProposalOrRefType::Proposal, Invalid::ByReference)?;
        let proposal = queued.proposal();
        if let Proposal::Add(add) = proposal {
            let leaf = add.key_package().leaf_node();
            let unlimited =
                matches!(leaf.leaf_node_source(), LeafNodeSource::KeyPackage(found) if *found == own::unlimited());
            proposed.added.push((new_leaf(leaf, certificates)?, unlimited));
        } else if let Proposal::Remove(remove) = proposal {
            proposed.removed.push(remove.removed().u32());
        } else if let Proposal::GroupContextExtensions(change) = proposal {
            proposed.profile = Some(context_profile(change.extensions().iter(), Some(group))?);
        } else {
            // How many of them and what they hold was read from the message; see `opened`.
            let entering = matches!(proposal, Proposal::ExternalInit(_) | Proposal::PreSharedKey(_));
            check(outside && entering, Invalid::ForbiddenProposal)?;
        }
    }
    if let Some(leaf) = staged.update_path_leaf_node() {
        // The same certificate for the same key was checked when the committer's leaf came in.
        let before = match committer {
            Committer::Member(place) => group.member_at(LeafNodeIndex::new(place)),
            Committer::Outside => None,
        };
        let same = before.is_some_and(|before| {
            before.credential == *leaf.credential() && before.signature_key == leaf.signature_key().as_slice()
        });
        proposed.path = Some(new_leaf(leaf, if same { Certificates::Checked } else { certificates })?);
    }
    Ok(proposed)
}

/// A whole group, as whoever enters it sees it: everything that each commit was checked for, and every certificate.
pub(super) fn whole_group<'a>(
    members: &[MlsMember],
    extensions: impl Iterator<Item = &'a Extension>,
    records: &dyn RecordBook,
) -> Result<Roster, Invalid> {
    for member in members {
        let key = DeviceKey::from_slice(&member.signature_key).ok_or(Invalid::Certificate)?;
        certified_credential(&member.credential, key, records)?;
    }
    let roster = roster(members.iter().cloned(), extensions)?;
    check_roster(&roster.members)?;
    check_removed(&roster.profile, &roster.members)?;
    Ok(roster)
}

/// The profile of a group context, which may hold nothing besides but the required capabilities: our own, and, if the context
/// is to replace that of `group`, the same as there.
pub(super) fn context_profile<'a>(
    extensions: impl Iterator<Item = &'a Extension>,
    group: Option<&MlsGroup>,
) -> Result<Profile, Invalid> {
    let (mut profile, mut required) = (None, false);
    for extension in extensions {
        if let Extension::Unknown(PROFILE_EXTENSION, content) = extension {
            profile = Some(Profile::parse(&content.0).map_err(|_| Invalid::Context)?);
        } else if let Extension::RequiredCapabilities(found) = extension {
            let ours = found.extension_types() == [ExtensionType::Unknown(PROFILE_EXTENSION)]
                && found.proposal_types().is_empty()
                && found.credential_types() == [CredentialType::Other(CREDENTIAL_TYPE)];
            let same = group.is_none_or(|group| group.extensions().required_capabilities() == Some(found));
            check(ours && same, Invalid::Context)?;
            required = true;
        } else {
            return Err(Invalid::Context);
        }
    }
    check(required, Invalid::Context)?;
    profile.ok_or(Invalid::Context)
}

/// A leaf's credential, whose certificate is one that was checked with its record, or is checked here.
fn certified_credential(
    credential: &Credential,
    key: DeviceKey,
    records: &dyn RecordBook,
) -> Result<LeafCredential, Invalid> {
    let known = known_credential(credential)?;
    if !records.certifies(&known, &key) {
        known.verify(key.as_bytes()).map_err(|_| Invalid::Certificate)?;
    }
    Ok(known)
}

/// A leaf's credential, with its certificate checked.
pub(super) fn leaf_credential(credential: &Credential, signature_key: &[u8]) -> Result<LeafCredential, Invalid> {
    credential_of(credential.credential_type().into(), credential.serialized_content(), signature_key)
}

/// A leaf's credential, whose certificate was checked before.
pub(super) fn known_credential(credential: &Credential) -> Result<LeafCredential, Invalid> {
    check(u16::from(credential.credential_type()) == CREDENTIAL_TYPE, Invalid::Credential)?;
    LeafCredential::parse(credential.serialized_content()).map_err(|_| Invalid::Credential)
}

/// A credential of this type with this content, with its certificate checked.
pub(super) fn credential_of(
    credential_type: u16,
    content: &[u8],
    signature_key: &[u8],
) -> Result<LeafCredential, Invalid> {
    check(credential_type == CREDENTIAL_TYPE, Invalid::Credential)?;
    let parsed = LeafCredential::parse(content).map_err(|_| Invalid::Credential)?;
    parsed.verify(signature_key).map_err(|_| Invalid::Certificate)?;
    Ok(parsed)
}

fn new_leaf(leaf: &LeafNode, certificates: Certificates<'_>) -> Result<NewLeaf, Invalid> {
    let key = DeviceKey::from_slice(leaf.signature_key().as_slice()).ok_or(Invalid::Certificate)?;
    let capabilities = leaf.capabilities();
    let capable = capabilities.extensions().contains(&ExtensionType::Unknown(PROFILE_EXTENSION))
        && capabilities.credentials().contains(&CredentialType::Other(CREDENTIAL_TYPE));
    Ok(NewLeaf {
        credential: match certificates {
            Certificates::By(records) => certified_credential(leaf.credential(), key, records)?,
            Certificates::Checked => known_credential(leaf.credential())?,
        },
        key,
        capable,
    })
}

#[cfg(test)]
mod tests {
    use quicprochat_wire::{AccountId, Digest};

    use super::*;

    fn member(leaf: u32, account: u8, device: u16) -> Member {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&device.to_le_bytes());
        let credential = LeafCredential {
            account: AccountId::new([account; 32]),
            device: DeviceId::new(id),
            certificate: [0; 64],
            identity_hash: Digest::new([account; 32]),
        };
        Member { leaf, credential, key: DeviceKey::new([0; 32]) }
    }

    fn added(account: u8, device: u16) -> (NewLeaf, bool) {
        let Member { credential, key, .. } = member(0, account, device);
        (NewLeaf { credential, key, capable: true }, true)
    }

    /// Eight devices each of `accounts` accounts.
    fn roster_of(accounts: u16) -> Roster {
        let count = accounts * 8;
        let member = |leaf: u16| member(leaf.into(), u8::try_from(leaf / 8).expect("few accounts"), leaf);
        Roster { profile: Profile::group("large"), members: (0..count).map(member).collect() }
    }

    struct NoRecords;

    impl RecordBook for NoRecords {
        fn holds(&self, _: &AccountId, _: &Digest) -> bool {
            false
        }

        fn certifies(&self, _: &LeafCredential, _: &DeviceKey) -> bool {
            false
        }
    }

    #[test]
    fn a_group_has_at_most_1024_leaves() {
        let (full, mut almost) = (roster_of(128), roster_of(128));
        almost.members.pop();
        let one_more = Proposed { added: vec![added(127, 5000)], ..Proposed::default() };
        assert_eq!(judge(&almost, &one_more, &NoRecords).map(|verdict| verdict.added[0].leaf), Ok(1023));
        assert_eq!(judge(&full, &one_more, &NoRecords).err(), Some(Invalid::TooManyLeaves));
        // Making room in the same commit is enough: the leaf is taken over.
        let mut profile = full.profile.clone();
        profile.removed.push(full.members[1023].credential.device);
        let replaced = Proposed { removed: vec![1023], profile: Some(profile), ..one_more };
        assert_eq!(judge(&full, &replaced, &NoRecords).map(|verdict| verdict.added[0].leaf), Ok(1023));
    }

    #[test]
    fn an_external_commit_is_bound_by_the_same_limits() {
        let entering = |account: u8, device: u16, removed: Vec<u32>| {
            let mut leaf = added(account, device).0;
            leaf.key = DeviceKey::new([7; 32]);
            Proposed { committer: Committer::Outside, path: Some(leaf), removed, ..Proposed::default() }
        };
        let full = roster_of(128);
        let mut room = full.clone();
        room.members.retain(|member| member.leaf != 17);
        let verdict = judge(&room, &entering(2, 5000, vec![]), &NoRecords).expect("counts");
        assert_eq!((verdict.enters, verdict.committer.leaf), (true, 17), "the leftmost free place");
        assert_eq!(judge(&full, &entering(2, 5000, vec![]), &NoRecords).err(), Some(Invalid::TooManyLeaves));
        let resync = judge(&full, &entering(2, 18, vec![18]), &NoRecords).expect("counts");
        assert_eq!((resync.committer.leaf, resync.profile), (18, None), "it goes onto no removed list");
        let mut gone = room.clone();
        gone.profile.removed.push(member(0, 2, 5000).credential.device);
        let mut same_key = entering(2, 5000, vec![]);
        same_key.path.iter_mut().for_each(|leaf| leaf.key = DeviceKey::new([0; 32]));
        let mut incapable = entering(2, 5000, vec![]);
        incapable.path.iter_mut().for_each(|leaf| leaf.capable = false);
        let device = |index| member(0, 2, index).credential.device;
        let cases = [
            (&room, entering(200, 5000, vec![]), Invalid::MissingRecord),
            (&room, entering(2, 5000, vec![18]), Invalid::OtherLeaf),
            (&room, entering(2, 18, vec![19]), Invalid::OtherLeaf),
            (&room, entering(2, 18, vec![18, 19]), Invalid::OtherLeaf),
            (&room, entering(2, 18, vec![9000]), Invalid::Mls),
            (&room, entering(2, 18, vec![]), Invalid::DuplicateDevice { device: device(18) }),
            (&room, entering(3, 5000, vec![]), Invalid::TooManyDevices),
            (&gone, entering(2, 5000, vec![]), Invalid::RemovedDevice { device: device(5000) }),
            (&room, same_key, Invalid::Mls),
            (&room, incapable, Invalid::Capabilities),
            (&room, Proposed { path: None, ..entering(2, 5000, vec![]) }, Invalid::Mls),
        ];
        for (index, (roster, proposed, reason)) in cases.into_iter().enumerate() {
            assert_eq!(judge(roster, &proposed, &NoRecords).err(), Some(reason), "case {index}");
        }
    }

    #[test]
    fn each_rule_for_new_leaves_has_its_reason() {
        let roster = roster_of(1);
        let with = |leaf: (NewLeaf, bool)| Proposed { added: vec![leaf], removed: vec![7], ..Proposed::default() };
        let mut incapable = added(0, 100);
        incapable.0.capable = false;
        let cases = [
            (with((added(0, 100).0, false)), Invalid::Lifetime),
            (with(incapable), Invalid::Capabilities),
            (with(added(1, 100)), Invalid::MissingRecord),
            (with(added(0, 3)), Invalid::DuplicateDevice { device: member(0, 0, 3).credential.device }),
            (with(added(0, 100)), Invalid::RemovedList),
            (Proposed { removed: vec![8], ..Proposed::default() }, Invalid::Mls),
            (Proposed { committer: Committer::Member(8), ..Proposed::default() }, Invalid::Mls),
        ];
        for (proposed, reason) in cases {
            assert_eq!(judge(&roster, &proposed, &NoRecords).err(), Some(reason));
        }
    }
}
