//! The chain against the formula of protocol.md section 4, written with the plain encoding.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quicprochat_wire::{
    ChainHash, ChannelId, MessageId, Reader, Writer,
    call::channel::{ChainPoint, EntryKind},
    chain,
};
use sha2::{Digest as _, Sha256};

fuzz_target!(|bytes: &[u8]| {
    let mut reader = Reader::new(bytes);
    let Ok(fields) = (|| {
        let (channel, prev, hash): ([u8; 32], [u8; 32], [u8; 32]) = (reader.array()?, reader.array()?, reader.array()?);
        Ok::<_, quicprochat_wire::DecodeError>((
            channel,
            prev,
            hash,
            reader.array::<16>()?,
            reader.u64()?,
            reader.u64()?,
            reader.u8()?,
        ))
    })() else {
        return;
    };
    let (channel, prev, hash, id, n, position, kind) = fields;
    let (kind, kind_byte) = if kind % 2 == 0 { (EntryKind::Message, 0) } else { (EntryKind::Commit, 1) };
    let sealed = reader.rest();

    let start = Sha256::digest(Writer::labelled("qpc/1 chain").fixed(channel).finish());
    assert_eq!(chain::start(&ChannelId::new(channel)).as_bytes()[..], start[..]);

    let link = Writer::labelled("qpc/1 link").fixed(prev).u64(n).fixed(id).u8(kind_byte).u64(position).fixed(hash);
    let link = Sha256::digest(link.fixed(Sha256::digest(sealed)).finish());
    let point = ChainPoint { position, hash: ChainHash::new(hash) };
    let found = chain::link(&ChainHash::new(prev), n, &MessageId::new(id), kind, &point, sealed);
    assert_eq!(found.as_bytes()[..], link[..]);
});
