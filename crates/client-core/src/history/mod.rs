//! What was said, apart from the device that heard it: the form in which log entries leave a store and come into another.
//!
//! [`record`] is that form; backup files carry lists of it. Entries come back in by
//! [`MessageStore::import_message`](crate::store::MessageStore::import_message), which tells nobody of them as news.

pub mod record;

pub use record::{
    HistoryRecord, MAX_BODY_BYTES, MAX_LIST_RECORDS, MAX_RECORD_BYTES, RecordBody, RecordError, decode_list,
    encode_list,
};
