//! The vault's records and wraps as they stand at the server, under the names the ceremonies use.

use quicprochat_e2ee::{
    sealed::InboxSecretKey,
    vault::{
        self, ArchiveRecord, DevicesRecord, HANDOVER_RECORDS, IDENTITY_RECORD, InboxRecord, Job, JobsRecord,
        LinkRecord, LinkSecret, RECOVERY_RECORD, RecoveryRecord, RootKey, StateKey, StateRecord,
    },
};
use quicprochat_identity::{IdentitySecretKey, InboxPublicKey, record::IdentityContent};
use quicprochat_wire::{
    AccountId, DeviceId, Digest, Entropy,
    call::vault::{VaultRecord, VaultStore, VaultWrap, WAY_LINKED, WAY_PASSWORD},
    limits::{MAX_DEVICES, MAX_VAULT_RECORDS},
};

use super::CeremonyError;

/// Longest name that a person gives a device.
///
/// Units:    bytes of UTF-8.
pub const MAX_LABEL_BYTES: usize = 64;
/// How many inbox keys are kept: the newest, and older ones for entries that were under way.
pub(super) const MAX_INBOX_KEYS: usize = 16;

/// What a device of the account is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceLabel {
    /// The device.
    pub device: DeviceId,
    /// Its name for people.
    pub label: String,
}

impl DeviceLabel {
    pub(super) fn new(device: DeviceId, label: &str) -> Result<Self, CeremonyError> {
        if label.len() > MAX_LABEL_BYTES {
            return Err(CeremonyError::LabelTooLong { limit: MAX_LABEL_BYTES, found: label.len() });
        }
        Ok(Self { device, label: label.to_owned() })
    }
}

/// The labels of the account's devices, from the records that `vault-fetch` answered.
///
/// Errors:   [`CeremonyError::RecordMissing`], [`CeremonyError::RecordSealed`].
pub fn device_labels(
    key: &StateKey,
    account: AccountId,
    records: &[VaultRecord],
) -> Result<Vec<DeviceLabel>, CeremonyError> {
    let record: DevicesRecord = open(key, account, records)?.ok_or(missing::<DevicesRecord>())?;
    Ok(record.0.into_iter().map(|(device, label)| DeviceLabel { device, label }).collect())
}

/// Calls a device of the account something else.
///
/// A `version-conflict` means that another device wrote in between: fetch and try again.
///
/// Errors:   [`CeremonyError::LabelTooLong`], [`CeremonyError::UnknownDevice`], and those of [`device_labels`].
pub fn rename_device(
    key: &StateKey,
    account: AccountId,
    records: &[VaultRecord],
    device: DeviceId,
    label: &str,
    entropy: &mut dyn Entropy,
) -> Result<VaultStore, CeremonyError> {
    let mut labels = device_labels(key, account, records)?;
    let renamed = DeviceLabel::new(device, label)?;
    *labels.iter_mut().find(|label| label.device == device).ok_or(CeremonyError::UnknownDevice { device })? = renamed;
    let version = next_version(records, DevicesRecord::ID);
    Ok(VaultStore { records: vec![seal_labels(key, account, version, &labels, entropy)?] })
}

/// What the account's devices have to do, from the records that `vault-fetch` answered.
///
/// Errors:   [`CeremonyError::RecordSealed`].
pub fn jobs(key: &StateKey, account: AccountId, records: &[VaultRecord]) -> Result<Vec<Job>, CeremonyError> {
    Ok(open::<JobsRecord>(key, account, records)?.unwrap_or_default().0)
}

/// Strikes a job that is done; `None` if it is not on the list (any more).
///
/// A `version-conflict` means that another device wrote in between: fetch and try again.
///
/// Errors:   [`CeremonyError::RecordSealed`].
pub fn finish_job(
    key: &StateKey,
    account: AccountId,
    records: &[VaultRecord],
    done: &Job,
    entropy: &mut dyn Entropy,
) -> Result<Option<VaultStore>, CeremonyError> {
    let mut left = jobs(key, account, records)?;
    let before = left.len();
    left.retain(|job| job != done);
    if left.len() == before {
        return Ok(None);
    }
    let version = next_version(records, JobsRecord::ID);
    Ok(Some(VaultStore { records: vec![seal_jobs(key, account, version, &left, entropy)?] }))
}

/// Labels of the devices that the identity part still names.
pub(super) fn labels_of(labels: &[DeviceLabel], identity: &IdentityContent) -> Vec<DeviceLabel> {
    labels.iter().filter(|label| identity.device(&label.device).is_some()).cloned().collect()
}

pub(super) fn wrap(
    root: &RootKey,
    way: u16,
    export_key: &[u8],
    account: AccountId,
    entropy: &mut dyn Entropy,
) -> Result<VaultWrap, CeremonyError> {
    let sealed = root.wrap(&account, export_key, entropy).map_err(|_| CeremonyError::Crypto)?;
    Ok(VaultWrap { way, sealed })
}

/// The wrap for the password: of its own, or together with the link secret.
pub(super) fn wrap_password(
    root: &RootKey,
    export_key: &[u8],
    secret: Option<&LinkSecret>,
    account: AccountId,
    entropy: &mut dyn Entropy,
) -> Result<VaultWrap, CeremonyError> {
    let Some(secret) = secret else { return wrap(root, WAY_PASSWORD, export_key, account, entropy) };
    let sealed = root.wrap_linked(&account, export_key, secret, entropy).map_err(|_| CeremonyError::Crypto)?;
    Ok(VaultWrap { way: WAY_LINKED, sealed })
}

pub(super) fn unwrap_linked(
    wraps: &[VaultWrap],
    export_key: &[u8],
    secret: &LinkSecret,
    account: AccountId,
) -> Result<RootKey, CeremonyError> {
    let mut linked = wraps.iter().filter(|wrap| wrap.way == WAY_LINKED);
    let unwrap = |wrap: &VaultWrap| RootKey::unwrap_linked(&account, export_key, secret, &wrap.sealed).ok();
    linked.find_map(unwrap).ok_or(CeremonyError::VaultSealed)
}

/// Whether a sign-in by the password needs the link secret.
pub(super) fn needs_link(wraps: &[VaultWrap], way: u16) -> bool {
    let has = |way| wraps.iter().any(|wrap| wrap.way == way);
    way == WAY_PASSWORD && has(WAY_LINKED) && !has(WAY_PASSWORD)
}

pub(super) fn seal_link(
    key: &StateKey,
    account: AccountId,
    version: u64,
    secret: &LinkSecret,
    entropy: &mut dyn Entropy,
) -> Result<VaultRecord, CeremonyError> {
    seal(key, account, version, &LinkRecord(secret.clone()), entropy)
}

/// Opens record 6; `None` if there is none.
pub(super) fn open_link(
    key: &StateKey,
    account: AccountId,
    records: &[VaultRecord],
) -> Result<Option<LinkSecret>, CeremonyError> {
    Ok(open::<LinkRecord>(key, account, records)?.map(|record| record.0))
}

pub(super) fn unwrap(
    wraps: &[VaultWrap],
    way: u16,
    export_key: &[u8],
    account: AccountId,
) -> Result<RootKey, CeremonyError> {
    let mut of_way = wraps.iter().filter(|wrap| wrap.way == way);
    of_way.find_map(|wrap| RootKey::unwrap(&account, export_key, &wrap.sealed).ok()).ok_or(CeremonyError::VaultSealed)
}

pub(super) fn seal_identity(
    root: &RootKey,
    account: AccountId,
    version: u64,
    identity: &IdentitySecretKey,
    entropy: &mut dyn Entropy,
) -> Result<VaultRecord, CeremonyError> {
    let sealed = vault::seal_identity(root, account, version, identity, entropy).map_err(|_| CeremonyError::Crypto)?;
    Ok(VaultRecord { id: IDENTITY_RECORD, version, sealed })
}

pub(super) fn open_identity(
    root: &RootKey,
    account: AccountId,
    records: &[VaultRecord],
) -> Result<IdentitySecretKey, CeremonyError> {
    let record = find(records, IDENTITY_RECORD)?;
    vault::open_identity(root, account, record.version, &record.sealed)
        .map_err(|_| CeremonyError::RecordSealed { record: IDENTITY_RECORD })
}

pub(super) fn seal_recovery(
    root: &RootKey,
    account: AccountId,
    version: u64,
    recovery: &RecoveryRecord,
    entropy: &mut dyn Entropy,
) -> Result<VaultRecord, CeremonyError> {
    let sealed = vault::seal_recovery(root, account, version, recovery, entropy).map_err(|_| CeremonyError::Crypto)?;
    Ok(VaultRecord { id: RECOVERY_RECORD, version, sealed })
}

/// Opens record 5; `None` if there is none.
pub(super) fn open_recovery(
    root: &RootKey,
    account: AccountId,
    records: &[VaultRecord],
) -> Result<Option<RecoveryRecord>, CeremonyError> {
    let Ok(record) = find(records, RECOVERY_RECORD) else { return Ok(None) };
    vault::open_recovery(root, account, record.version, &record.sealed)
        .map(Some)
        .map_err(|_| CeremonyError::RecordSealed { record: RECOVERY_RECORD })
}

/// Hash of record 1, as the identity part names it.
pub(super) fn vault_hash(records: &[VaultRecord]) -> Result<Digest, CeremonyError> {
    find(records, IDENTITY_RECORD).map(|record| vault::vault_hash(&record.sealed))
}

pub(super) fn seal_inbox(
    key: &StateKey,
    account: AccountId,
    version: u64,
    keys: &[InboxSecretKey],
    entropy: &mut dyn Entropy,
) -> Result<VaultRecord, CeremonyError> {
    seal(key, account, version, &InboxRecord(keys.to_vec()), entropy)
}

pub(super) fn open_inbox(
    key: &StateKey,
    account: AccountId,
    records: &[VaultRecord],
) -> Result<Vec<InboxSecretKey>, CeremonyError> {
    open::<InboxRecord>(key, account, records)?.map(|record| record.0).ok_or(missing::<InboxRecord>())
}

/// The inbox key that the identity part announces: the newest.
pub(super) fn inbox_public(keys: &[InboxSecretKey]) -> Result<InboxPublicKey, CeremonyError> {
    keys.first().map(InboxSecretKey::public).ok_or(CeremonyError::RecordSealed { record: InboxRecord::ID })
}

pub(super) fn seal_labels(
    key: &StateKey,
    account: AccountId,
    version: u64,
    labels: &[DeviceLabel],
    entropy: &mut dyn Entropy,
) -> Result<VaultRecord, CeremonyError> {
    let pairs = labels.iter().map(|label| (label.device, label.label.clone())).collect();
    seal(key, account, version, &DevicesRecord(pairs), entropy)
}

pub(super) fn seal_jobs(
    key: &StateKey,
    account: AccountId,
    version: u64,
    jobs: &[Job],
    entropy: &mut dyn Entropy,
) -> Result<VaultRecord, CeremonyError> {
    seal(key, account, version, &JobsRecord(jobs.to_vec()), entropy)
}

pub(super) fn seal_handover(
    key_package: &[u8],
    account: AccountId,
    device: DeviceId,
    key: &StateKey,
    entropy: &mut dyn Entropy,
) -> Option<Vec<u8>> {
    vault::seal_handover(&account, &device, key_package, key, entropy).ok()
}

pub(super) fn is_handover(record: u32) -> bool {
    let places = u32::try_from(MAX_VAULT_RECORDS.max(MAX_DEVICES)).unwrap_or(u32::MAX);
    (HANDOVER_RECORDS..HANDOVER_RECORDS.saturating_add(places)).contains(&record)
}

/// Whether this client knows what the record is for, so that it can carry it over into a rolled vault.
pub(super) fn is_known(record: u32) -> bool {
    [
        IDENTITY_RECORD,
        ArchiveRecord::ID,
        InboxRecord::ID,
        DevicesRecord::ID,
        JobsRecord::ID,
        RECOVERY_RECORD,
        LinkRecord::ID,
    ]
    .contains(&record)
        || is_handover(record)
        || vault::is_conversation_record(record)
        || vault::is_account_state_record(record)
}

/// The version that a record's next content has.
pub(super) fn next_version(records: &[VaultRecord], id: u32) -> u64 {
    let stored = records.iter().find(|record| record.id == id).map_or(0, |record| record.version);
    stored.saturating_add(1)
}

pub(super) fn seal<T: StateRecord>(
    key: &StateKey,
    account: AccountId,
    version: u64,
    record: &T,
    entropy: &mut dyn Entropy,
) -> Result<VaultRecord, CeremonyError> {
    let sealed = vault::seal_record(key, account, version, record, entropy).map_err(|_| CeremonyError::Crypto)?;
    Ok(VaultRecord { id: T::ID, version, sealed })
}

/// Opens a record; `None` if there is none.
pub(super) fn open<T: StateRecord>(
    key: &StateKey,
    account: AccountId,
    records: &[VaultRecord],
) -> Result<Option<T>, CeremonyError> {
    let Ok(record) = find(records, T::ID) else { return Ok(None) };
    vault::open_record(key, account, record.version, &record.sealed)
        .map(Some)
        .map_err(|_| CeremonyError::RecordSealed { record: T::ID })
}

fn find(records: &[VaultRecord], id: u32) -> Result<&VaultRecord, CeremonyError> {
    let found = records.iter().find(|record| record.id == id && !record.sealed.is_empty());
    found.ok_or(CeremonyError::RecordMissing { record: id })
}

const fn missing<T: StateRecord>() -> CeremonyError {
    CeremonyError::RecordMissing { record: T::ID }
}
