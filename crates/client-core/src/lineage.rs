//! Conversations that went on in another channel (DESIGN L11): which channel is written to now, and which it was before.

use quicprochat_wire::ChannelId;

use crate::store::{Conversation, ConversationState, StoreFault, StoreTx};

/// More replacements than any conversation has; the bound only guards against rows that name each other.
const MOST: usize = 256;

/// The channel in which a conversation goes on: the same one, unless it was replaced.
pub(crate) fn current(tx: &dyn StoreTx, channel: ChannelId) -> Result<ChannelId, StoreFault> {
    let mut current = channel;
    for _ in 0..MOST {
        match tx.conversations().conversation(&current)?.map(|found| found.state) {
            Some(ConversationState::Replaced { by }) if tx.conversations().conversation(&by)?.is_some() => current = by,
            Some(_) | None => break,
        }
    }
    Ok(current)
}

/// Whether a conversation is only the beginning of one that goes on in another channel.
pub(crate) fn is_past(tx: &dyn StoreTx, conversation: &Conversation) -> Result<bool, StoreFault> {
    Ok(current(tx, conversation.channel)? != conversation.channel)
}

/// The channels whose place a conversation's channel took, the newest first. This device may not know one of them, or not have
/// followed yet.
pub(crate) fn named(tx: &dyn StoreTx, conversation: &Conversation) -> Result<Vec<ChannelId>, StoreFault> {
    let (mut named, mut next) = (Vec::new(), conversation.replaces);
    while let Some(channel) = next {
        if named.len() == MOST || channel == conversation.channel || named.contains(&channel) {
            break;
        }
        named.push(channel);
        next = tx.conversations().conversation(&channel)?.and_then(|found| found.replaces);
    }
    Ok(named)
}

/// Those of them that this device knows, and that it does not work on any more.
pub(crate) fn before(tx: &dyn StoreTx, conversation: &Conversation) -> Result<Vec<Conversation>, StoreFault> {
    let mut past = Vec::new();
    for channel in named(tx, conversation)? {
        let found = tx.conversations().conversation(&channel)?;
        past.extend(found.filter(|found| matches!(found.state, ConversationState::Replaced { .. })));
    }
    Ok(past)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{store::MemoryStore, testing::conversation};

    fn channel(number: u8) -> ChannelId {
        ChannelId::new([number; 32])
    }

    #[test]
    fn a_conversation_is_found_by_every_channel_that_it_was_in() {
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("free");
        for (number, replaces, by) in
            [(1, None, Some(2)), (2, Some(1), Some(3)), (3, Some(2), None), (4, None, Some(9))]
        {
            let state = by.map_or(ConversationState::Active, |by| ConversationState::Replaced { by: channel(by) });
            let row = Conversation { state, replaces: replaces.map(channel), ..conversation(channel(number)) };
            tx.conversations().put_conversation(&row).expect("stores");
        }
        for number in 1..=3 {
            assert_eq!(current(&tx, channel(number)), Ok(channel(3)));
        }
        assert_eq!(current(&tx, channel(4)), Ok(channel(4)), "where it went on is not known here");
        assert_eq!(current(&tx, channel(7)), Ok(channel(7)), "unknown altogether");
        let newest = tx.conversations().conversation(&channel(3)).expect("reads").expect("there");
        let past: Vec<_> = before(&tx, &newest).expect("reads").iter().map(|of| of.channel).collect();
        assert_eq!(past, [channel(2), channel(1)]);
        assert_eq!((is_past(&tx, &newest), past.len()), (Ok(false), 2));
    }

    #[test]
    fn a_channel_that_this_device_still_works_on_is_not_past_whatever_took_its_place() {
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("free");
        let new = Conversation { replaces: Some(channel(1)), ..conversation(channel(2)) };
        for row in [&conversation(channel(1)), &new] {
            tx.conversations().put_conversation(row).expect("stores");
        }
        assert_eq!((named(&tx, &new), before(&tx, &new)), (Ok(vec![channel(1)]), Ok(Vec::new())));
        assert_eq!(current(&tx, channel(1)), Ok(channel(1)));
    }

    #[test]
    fn rows_that_name_each_other_end_somewhere() {
        let mut store = MemoryStore::new();
        let tx = store.begin().expect("free");
        for (number, other) in [(1, 2), (2, 1)] {
            let state = ConversationState::Replaced { by: channel(other) };
            let row = Conversation { state, replaces: Some(channel(other)), ..conversation(channel(number)) };
            tx.conversations().put_conversation(&row).expect("stores");
        }
        assert!(current(&tx, channel(1)).is_ok());
        let one = tx.conversations().conversation(&channel(1)).expect("reads").expect("there");
        assert_eq!(named(&tx, &one), Ok(vec![channel(2)]));
    }
}
