//! Spans of a conversation that a device cannot read, and requests of others for theirs.

use quicprochat_wire::{AccountId, DeviceId, MessageId, Timestamp};

use super::codec::{List, stored_rows, stored_struct};

stored_struct! {
    /// Positions, both ends included.
    Positions {
        /// First one.
        from: u64,
        /// Last one.
        to: u64,
    }
}

stored_struct! {
    /// A gap that the readable log shows.
    GapRow {
        /// Where it is shown: the position at which the device entered anew.
        seq: u64,
        /// First position that was missing.
        from: u64,
        /// Last one.
        to: u64,
    }
}

stored_struct! {
    /// Somebody else's request that is still to be answered.
    GapRequest {
        /// Whose.
        account: AccountId,
        /// Of which device.
        device: DeviceId,
        /// What is asked for and nobody has sent yet.
        spans: List<Positions>,
        /// When this device read it.
        since: Timestamp,
    }
}

stored_struct! {
    /// How often a device's requests were answered.
    Answered {
        /// Whose requests.
        device: DeviceId,
        /// Since when is counted.
        since: Timestamp,
        /// How often.
        times: u32,
    }
}

stored_struct! {
    /// How a conversation's gaps stand.
    Gaps {
        /// Gaps that the readable log shows, or showed.
        rows: List<GapRow>,
        /// What of them is still missing.
        missing: List<Positions>,
        /// When to ask for it next.
        next: Timestamp,
        /// How often it was asked for in vain.
        tries: u32,
        /// What others asked for.
        requests: List<GapRequest>,
        /// Whom this device has answered.
        answered: List<Answered>,
        /// Own messages that the readable log does not show, the last ones.
        controls: List<MessageId>,
    }
}

stored_rows! { Gaps = 1, }

impl Default for Gaps {
    fn default() -> Self {
        Self {
            rows: List::default(),
            missing: List::default(),
            next: Timestamp(0),
            tries: 0,
            requests: List::default(),
            answered: List::default(),
            controls: List::default(),
        }
    }
}
