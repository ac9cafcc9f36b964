//! What was said, apart from the device that heard it: the form in which log entries leave a store and come into another.
//!
//! [`record`] is that form; backup files carry lists of it. Entries come back in by
//! [`MessageStore::import_message`](crate::store::MessageStore::import_message), which tells nobody of them as news.

pub mod record;

use crate::store::{LogBody, LogEntry, StoreFault, StoreTx};

pub use record::{
    HistoryRecord, MAX_BODY_BYTES, MAX_LIST_RECORDS, MAX_RECORD_BYTES, RecordBody, RecordError, decode_list,
    encode_list,
};

/// Puts in an entry that a device of the account kept; whether it is a new one. It takes the place of what a member sent again,
/// whatever that says, and of nothing else; what a member sent to that device does not.
pub(crate) fn import_own(tx: &dyn StoreTx, entry: &LogEntry) -> Result<bool, StoreFault> {
    if tx.messages().import_message(entry)? {
        return Ok(true);
    }
    if matches!(entry.body, LogBody::Gap { .. } | LogBody::Joined | LogBody::Relayed { .. }) {
        return Ok(false);
    }
    let there = tx.messages().messages_of(&entry.channel, entry.seq.saturating_sub(1), 1)?.pop();
    if there.is_some_and(|there| there.seq == entry.seq && matches!(there.body, LogBody::Relayed { .. })) {
        tx.messages().replace_message(entry)?;
        return Ok(true);
    }
    Ok(false)
}
