//! What is kept of a conversation's repairs, beside its row.

use quicprochat_wire::Timestamp;

use super::codec::{stored_rows, stored_struct};

stored_struct! {
    /// How a conversation's repairs stand.
    Repair {
        /// How often in a row the store was found to be older than what its device wrote.
        returns: u32,
        /// When it last was.
        returned: Timestamp,
        /// The conversation is not entered anew before.
        not_before: Timestamp,
    }
}

stored_rows! { Repair = 1, }

impl Default for Repair {
    fn default() -> Self {
        Self { returns: 0, returned: Timestamp(0), not_before: Timestamp(0) }
    }
}
