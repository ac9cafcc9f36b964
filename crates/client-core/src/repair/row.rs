//! What is kept of a conversation's repairs, beside its row: in a setting of its own, so that stores of before need no change.

use quicprochat_wire::{ChannelId, MessageId, Timestamp};

use crate::{
    engine::Cx,
    error::EngineError,
    store::{
        List, Stored as _,
        codec::{stored_rows, stored_struct},
    },
};

/// Own control messages that are remembered.
const MOST_CONTROLS: usize = 64;

stored_struct! {
    /// See the module.
    Repair {
        /// How often in a row the store was found to be older than what its device wrote.
        returns: u32,
        /// When it last was.
        returned: Timestamp,
        /// The conversation is not entered anew before.
        not_before: Timestamp,
        /// The last own messages that have no place in the readable log.
        controls: List<MessageId>,
    }
}

stored_rows! { Repair = 1, }

impl Default for Repair {
    fn default() -> Self {
        Self { returns: 0, returned: Timestamp(0), not_before: Timestamp(0), controls: List::default() }
    }
}

impl Repair {
    /// What is kept of a conversation.
    pub(crate) fn load(cx: &Cx<'_>, channel: &ChannelId) -> Result<Self, EngineError> {
        let Some(stored) = cx.tx.upkeep().setting(&name(channel))? else { return Ok(Self::default()) };
        Ok(Self::decode(&stored).map_err(crate::store::StoreFault::from)?)
    }

    pub(crate) fn store(&self, cx: &Cx<'_>, channel: &ChannelId) -> Result<(), EngineError> {
        let row = (*self != Self::default()).then(|| self.encode());
        Ok(cx.tx.upkeep().put_setting(&name(channel), row.as_deref())?)
    }

    /// Remembers an own control message.
    pub(super) fn remember(&mut self, id: MessageId) {
        let surplus = (self.controls.len() + 1).saturating_sub(MOST_CONTROLS);
        self.controls.drain(..surplus);
        self.controls.push(id);
    }
}

fn name(channel: &ChannelId) -> String {
    format!("repair/{channel}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::bed::Bed;

    #[test]
    fn a_row_reads_back_and_the_one_that_says_nothing_takes_no_room() {
        let (mut bed, channel) = (Bed::new(), ChannelId::new([3; 32]));
        let mut repair = Repair { returns: 2, returned: Timestamp(5), not_before: Timestamp(9), ..Repair::default() };
        for n in 0..=u8::try_from(MOST_CONTROLS).expect("small") {
            repair.remember(MessageId::new([n; 16]));
        }
        assert_eq!((repair.controls.len(), repair.controls.first()), (MOST_CONTROLS, Some(&MessageId::new([1; 16]))));
        bed.at(0, |cx| repair.store(cx, &channel).expect("stores"));
        bed.at(0, |cx| assert_eq!(Repair::load(cx, &channel).expect("reads"), repair));
        bed.at(0, |cx| {
            Repair::default().store(cx, &channel).expect("stores");
            assert_eq!(cx.tx.upkeep().setting(&name(&channel)).expect("reads"), None);
        });
    }
}
