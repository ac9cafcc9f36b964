//! Channels: what surrounds MLS messages on their way through the server's log (DESIGN L1 to L7).

mod chunk;
mod entry;
mod group_info;
mod keyring;
mod keys;

pub use chunk::{ChunkList, LEAVES_OF_A_PIECE, MOST_WHOLE_LEAVES, SealedTree, is_whole, seal_tree};
pub use entry::{EntryBody, EntryHead, open_entry, seal_entry};
pub use group_info::{
    GroupInfoBody, GroupInfoHead, OpenedGroupInfo, open_group_info, seal_chunked_group_info, seal_group_info,
};
pub use keyring::{open_keyring, seal_keyring};
pub use keys::ChannelKeys;
